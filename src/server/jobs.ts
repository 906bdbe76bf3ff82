import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { StatusResult } from '../protocol/server-api.js';
import { refuseConflict, type Claim } from './conflicts.js';

/** An operation under way. */
export interface Job {
  readonly id: number;
  readonly claim: Claim;
  /** What it works on, for people: `web1`, `web1@latest to /srv/vda.raw`. */
  readonly what: string;
  readonly startedMs: number;
  readonly signal: AbortSignal;
}

interface RunningJob extends Job {
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

/** The operations that run now: refuses what may not run beside them, cancels, and says what there is. */
export class Jobs {
  readonly #clock: Clock;
  readonly #mountPoints: () => readonly string[];
  readonly #onEnd: (claim: Claim) => void;
  readonly #running = new Map<number, RunningJob>();
  #lastId = 0;
  #refusal: UmbraError | undefined;

  /** @param onEnd told of each operation that has ended, however it did */
  constructor(clock: Clock, mountPoints: () => readonly string[], onEnd: (claim: Claim) => void = () => undefined) {
    this.#clock = clock;
    this.#mountPoints = mountPoints;
    this.#onEnd = onEnd;
  }

  /**
   * Run `work` as a job; refused before anything was done when it may not run now.
   * @param id a number that {@link newId} gave; a new one without it
   * @throws {UmbraError} MACHINE_BUSY, STORE_IN_USE, SERVER_STOPPING; and whatever `work` throws
   */
  async run<T>(claim: Claim, what: string, work: (job: Job) => Promise<T>, id = this.newId()): Promise<T> {
    this.refuse(claim);
    const controller = new AbortController();
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const job = { id, claim, what, startedMs: this.#clock.now(), signal: controller.signal, controller, ended };
    this.#running.set(id, job);
    try {
      return await work(job);
    } catch (error) {
      throw controller.signal.aborted ? reasonOf(controller.signal, error) : error;
    } finally {
      this.#running.delete(id);
      end();
      this.#onEnd(claim);
    }
  }

  /** A number that no job of this server has, above `least`. */
  newId(least = 0): number {
    this.#lastId = Math.max(this.#lastId, least) + 1;
    return this.#lastId;
  }

  /** Numbers up to this one are taken. */
  reserve(highest: number): void {
    this.#lastId = Math.max(this.#lastId, highest);
  }

  /** @throws {UmbraError} when an operation with this claim may not start now */
  refuse(claim: Claim): void {
    if (this.#refusal !== undefined) throw this.#refusal;
    refuseConflict(
      claim,
      [...this.#running.values()].map((job) => job.claim),
      this.#mountPoints(),
    );
  }

  /** Ask a job to end with CANCELLED. @returns false when there is none with this id */
  cancel(id: number): boolean {
    const job = this.#running.get(id);
    job?.controller.abort(new UmbraError('CANCELLED', 'cancelled'));
    return job !== undefined;
  }

  list(): StatusResult['jobs'] {
    return [...this.#running.values()].map(({ id, claim, what, startedMs }) => ({
      id,
      kind: claim.kind,
      what,
      startedAt: new Date(startedMs).toISOString(),
    }));
  }

  /** From now on refuse every job with `reason`, abort those that run with it, and wait until they have ended. */
  async stop(reason: UmbraError): Promise<void> {
    this.#refusal = reason;
    for (const job of this.#running.values()) job.controller.abort(reason);
    await Promise.all([...this.#running.values()].map((job) => job.ended));
  }
}

/** What an aborted job ends with: why it was aborted, unless it failed for a reason of its own, or says how to go on. */
function reasonOf(signal: AbortSignal, error: unknown): unknown {
  const cancelled =
    (isUmbraError(error, 'CANCELLED') && error.hint === undefined) ||
    (error instanceof Error && error.name === 'AbortError');
  return cancelled && signal.reason instanceof UmbraError ? signal.reason : error;
}

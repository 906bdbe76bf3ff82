import { isUmbraError } from '../common/errors.js';
import { quietUntil } from '../policies/quiet.js';
import { JOB_KINDS, type JobKind } from '../protocol/jobs-api.js';
import { DueTimes } from './due.js';
import type { JobBook } from './job-book.js';
import type { Job } from './job.js';
import { LONGEST_DELAY_MS } from './retry.js';
import type { SchedulerParts } from './scheduler-parts.js';

/** Agents come back so soon after the server was away: those that are not there yet are waited for. */
const GRACE_MS = 60_000;
/** What is due for longer was missed. */
const LATE_MS = 5 * 60_000;

type Known = Pick<SchedulerParts, 'policyOf' | 'latest' | 'upToDate' | 'wasThere' | 'damagedSince'>;

/** Says when machines are due and when jobs may begin, by their policies and by what was done so far. */
export class Moments {
  /** When the scheduler was started. */
  startedMs = -Infinity;
  readonly #parts: Known;
  readonly #book: JobBook;
  readonly #due = new DueTimes();

  constructor(parts: Known, book: JobBook) {
    this.#parts = parts;
    this.#book = book;
  }

  /** The same with other policies. */
  with(parts: Known): Moments {
    const others = new Moments(parts, this.#book);
    others.startedMs = this.startedMs;
    return others;
  }

  /** What is due next for a machine without a job, and when it is, or was. A shadow copy makes a replication unnecessary. */
  next(machine: string, nowMs: number): { readonly kind: JobKind; readonly dueMs: number } {
    const shadowCopyMs = this.dueMs(machine, 'shadow-copy', nowMs);
    const replicateMs = shadowCopyMs <= nowMs ? Infinity : this.dueMs(machine, 'replicate', nowMs);
    return replicateMs < shadowCopyMs
      ? { kind: 'replicate', dueMs: replicateMs }
      : { kind: 'shadow-copy', dueMs: shadowCopyMs };
  }

  /** When a machine without a job is, or was, due; Infinity if never, or if its policy is not right: it holds up nobody else. */
  dueMs(machine: string, kind: JobKind, nowMs: number): number {
    const { shadowCopies, replicate, timeZone } = this.#parts.policyOf(machine);
    const rhythm = kind === 'replicate' ? replicate : shadowCopies;
    if (rhythm === undefined) return Infinity;
    const sinceMs = Math.min(this.#book.plannedSince(machine) ?? nowMs, nowMs);
    const lastMs = this.#lastMs(machine, kind, nowMs);
    const dueMs = orNever(() => this.#due.of(rhythm, timeZone, { lastMs, sinceMs }, nowMs));
    return kind === 'replicate' ? dueMs : Math.min(dueMs, this.healMs(machine, nowMs) ?? Infinity);
  }

  /** When damage was found in the machine's newest shadow copy, as long as nothing has been sent since, a replica neither; undefined if none was. */
  healMs(machine: string, nowMs: number): number | undefined {
    const foundMs = this.#parts.damagedSince?.(machine);
    if (foundMs === undefined || foundMs > nowMs) return undefined;
    return (this.#lastMs(machine, 'replicate', nowMs) ?? -Infinity) < foundMs ? foundMs : undefined;
  }

  /** Why a machine is due, in words. */
  whyDue(machine: string, dueMs: number, nowMs: number): string {
    if (this.healMs(machine, nowMs) === dueMs) return 'due, since something of it was found damaged in the store';
    return nowMs - dueMs > LATE_MS ? 'made up: it was due before' : 'due';
  }

  /** When a job that waits may begin, as far as its machine is concerned; Infinity if never. */
  readyMs({ machine, host, readyMs }: Pick<Job, 'machine' | 'host' | 'readyMs'>, nowMs: number): number {
    const { quiet, timeZone } = this.#parts.policyOf(machine);
    const { wasThere } = this.#parts;
    // No job waits for longer to be tried again: what is later was said by a clock that was ahead.
    const saidMs = Number.isFinite(readyMs) && readyMs > nowMs + LONGEST_DELAY_MS ? nowMs : readyMs;
    const earliestMs = wasThere(host) ? saidMs : Math.max(saidMs, this.startedMs + GRACE_MS);
    if (earliestMs === Infinity) return Infinity;
    return orNever(() => quietUntil(quiet, timeZone, Math.max(earliestMs, nowMs)) ?? earliestMs);
  }

  /** The begin of the last run; a shadow copy is a replication, too. What lies in the future, since the clock was set back, does not count. */
  #lastMs(machine: string, kind: JobKind, nowMs: number): number | undefined {
    const kinds = kind === 'replicate' ? JOB_KINDS : ([kind] as const);
    const newest = kind === 'replicate' ? this.#parts.upToDate(machine) : this.#parts.latest(machine);
    const times = kinds.flatMap((of) => {
      const job = this.#book.last(machine, of);
      return [job?.beganMs, job?.state === 'cancelled' ? job.endedMs : undefined];
    });
    let lastMs: number | undefined;
    for (const timeMs of [...times, newest?.timeMs]) {
      if (timeMs !== undefined && timeMs <= nowMs) lastMs = Math.max(lastMs ?? timeMs, timeMs);
    }
    return lastMs;
  }
}

function orNever(moment: () => number | undefined): number {
  try {
    return moment() ?? Infinity;
  } catch (error) {
    if (isUmbraError(error, 'BAD_ARGUMENT')) return Infinity;
    throw error;
  }
}

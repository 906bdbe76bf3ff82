import { isUmbraError } from '../common/errors.js';
import type { Policy } from '../policies/policy.js';
import { quietUntil } from '../policies/quiet.js';
import { JOB_KINDS, type JobKind } from '../protocol/jobs-api.js';
import { DueTimes } from './due.js';
import type { JobBook } from './job-book.js';
import type { Job } from './job.js';
import type { Due } from './new-jobs.js';
import { LONGEST_DELAY_MS } from './retry.js';
import type { SchedulerParts } from './scheduler-parts.js';

/** Agents come back so soon after the server was away: those that are not there yet are waited for. */
const GRACE_MS = 60_000;
/** What is due for longer was missed. */
const LATE_MS = 5 * 60_000;

/** What was found out stands for so long at most. */
const LONGEST_KNOWN_MS = 24 * 60 * 60_000;

type Known = Pick<SchedulerParts, 'policyOf' | 'latest' | 'upToDate' | 'wasThere' | 'damagedSince'>;

/** What says when a machine is due. */
interface Given {
  readonly policy: Policy;
  readonly sinceMs: number | undefined;
  readonly jobs: readonly (Job | undefined)[];
  readonly latestMs: number | undefined;
  readonly upToDateMs: number | undefined;
  readonly damagedMs: number | undefined;
}

/** When a machine is due, as long as nothing else is given and that time has not come. */
interface Found {
  readonly given: Given;
  readonly next: Due;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Says when machines are due and when jobs may begin, by their policies and by what was done so far. */
export class Moments {
  /** When the scheduler was started. */
  startedMs = -Infinity;
  readonly #parts: Known;
  readonly #book: JobBook;
  readonly #due = new DueTimes();
  /** By machine: it is asked for of all of them whenever something happens to one. */
  readonly #found = new Map<string, Found>();

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
  next(machine: string, nowMs: number): Due {
    const given = this.#given(machine);
    const found = this.#found.get(machine);
    if (found !== undefined && found.fromMs <= nowMs && nowMs < found.toMs && isSame(found.given, given))
      return found.next;
    const next = this.#next(machine, nowMs);
    // What lies in the future counts when that has come.
    const isSettled = [given.sinceMs ?? Infinity, ...timesOf(given)].every((timeMs) => timeMs <= nowMs);
    const toMs = Math.min(next.dueMs, nowMs + LONGEST_KNOWN_MS);
    if (isSettled) this.#found.set(machine, { given, next, fromMs: nowMs, toMs });
    else this.#found.delete(machine);
    return next;
  }

  /** Forget what was found out of other machines than these. */
  keepOnly(machines: ReadonlySet<string>): void {
    for (const machine of this.#found.keys()) if (!machines.has(machine)) this.#found.delete(machine);
  }

  /** Of how many machines it is remembered when they are due. */
  get remembered(): number {
    return this.#found.size;
  }

  #given(machine: string): Given {
    return {
      policy: this.#parts.policyOf(machine),
      sinceMs: this.#book.plannedSince(machine),
      jobs: JOB_KINDS.map((kind) => this.#book.last(machine, kind)),
      latestMs: this.#parts.latest(machine)?.timeMs,
      upToDateMs: this.#parts.upToDate(machine)?.timeMs,
      damagedMs: this.#parts.damagedSince?.(machine),
    };
  }

  #next(machine: string, nowMs: number): Due {
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

function isSame(a: Given, b: Given): boolean {
  return (
    a.policy === b.policy &&
    a.sinceMs === b.sinceMs &&
    a.latestMs === b.latestMs &&
    a.upToDateMs === b.upToDateMs &&
    a.damagedMs === b.damagedMs &&
    a.jobs.every((job, index) => job === b.jobs[index])
  );
}

function timesOf({ jobs, latestMs, upToDateMs, damagedMs }: Given): number[] {
  const ofJobs = jobs.flatMap((job) => [job?.beganMs, job?.endedMs]);
  return [...ofJobs, latestMs, upToDateMs, damagedMs].filter((timeMs) => timeMs !== undefined);
}

function orNever(moment: () => number | undefined): number {
  try {
    return moment() ?? Infinity;
  } catch (error) {
    if (isUmbraError(error, 'BAD_ARGUMENT')) return Infinity;
    throw error;
  }
}

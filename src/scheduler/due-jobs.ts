import type { JobBook } from './job-book.js';
import { saying, type Job } from './job.js';
import type { Moments } from './moments.js';
import { newJob, turnedInto, type Due } from './new-jobs.js';
import type { PlannedMachine, SchedulerParts } from './scheduler-parts.js';

/** What there is to note, since it is due by now, or is not any more. */
export interface DueNow {
  /** New ones, and those of which something is another now. */
  readonly jobs: readonly Job[];
  /** Machines that are planned for from now on. */
  readonly plan: readonly { readonly machine: string; readonly sinceMs: number }[];
  /** Those that have not begun, and need not. */
  readonly unwanted: readonly Job[];
}

/** Makes the jobs of machines that are due. Each has one at most that has not ended. */
export class DueJobs {
  readonly #parts: Pick<SchedulerParts, 'policyOf' | 'newId'>;
  readonly #book: JobBook;
  readonly #moments: Moments;

  constructor(parts: Pick<SchedulerParts, 'policyOf' | 'newId'>, book: JobBook, moments: Moments) {
    this.#parts = parts;
    this.#book = book;
    this.#moments = moments;
  }

  /** What is due of these machines, and what is not any more of what was. Nothing is noted by that. */
  of(machines: readonly PlannedMachine[], nowMs: number): DueNow {
    const jobs: Job[] = [];
    const plan: { machine: string; sinceMs: number }[] = [];
    const unwanted: Job[] = [];
    for (const machine of machines) {
      const { name, host } = machine;
      const sinceMs = this.#book.plannedSince(name);
      // Since the clock was set back: its data loss would count from a moment that is yet to come.
      if (sinceMs === undefined || sinceMs > nowMs) plan.push({ machine: name, sinceMs: nowMs });
      const job = this.#book.open(name);
      if (job?.state === 'running') continue;
      const due = this.#moments.next(name, nowMs);
      if (job === undefined) {
        if (due.dueMs <= nowMs) jobs.push(this.make(machine, due, nowMs));
      } else if (this.#isStillDue(job, due, nowMs)) jobs.push(...asDue(job, host, due, nowMs));
      else unwanted.push(job);
    }
    return { jobs, plan, unwanted };
  }

  /** A job of a machine, which says why it is due. */
  make(machine: PlannedMachine, due: Due, nowMs: number): Job {
    const job = newJob(this.#parts.newId(this.#book.highest), machine, due);
    return saying(job, nowMs, this.#moments.whyDue(machine.name, due.dueMs, nowMs));
  }

  /** One that failed is due in any case; of one that waits somebody may have made the shadow copy, or the policy is another one now. */
  #isStillDue({ machine, kind, state, error }: Job, due: Due, nowMs: number): boolean {
    if (due.dueMs <= nowMs) return true;
    // It has failed only since somebody was making the shadow copy, which is there now.
    if (error?.code === 'MACHINE_BUSY') return false;
    return state === 'retrying' && (kind === 'shadow-copy' || this.#parts.policyOf(machine).replicate !== undefined);
  }
}

/** What of a job that has not begun is another now: its host, and its kind, since a shadow copy is a replication, too. */
function asDue(job: Job, host: string, due: Due, nowMs: number): Job[] {
  const isOther =
    due.kind !== job.kind && due.dueMs <= nowMs && (job.state === 'waiting' || due.kind === 'shadow-copy');
  const now = isOther ? turnedInto(job, due, nowMs) : job;
  return now.host === host && !isOther ? [] : [{ ...now, host }];
}

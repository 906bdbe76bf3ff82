import { UmbraError } from '../common/errors.js';
import { JOB_KINDS, type JobKind } from '../protocol/jobs-api.js';
import { hasEnded, type Job } from './job.js';
import type { JobStore, StoredChanges } from './job-store.js';

/** So many jobs of each kind that have ended are kept, besides the last one of each machine, and the last one that was done. */
export const MOST_ENDED = 1000;

interface Lasts {
  readonly ended: Job;
  readonly done: Job | undefined;
}

/** All jobs, in memory as they are in the store. Of those that have ended the log is only there. */
export class JobBook {
  readonly #store: JobStore;
  readonly #mostEnded: number;
  /** Those that have not ended, by machine: there is one at most. */
  readonly #open = new Map<string, Job>();
  /** The newest that have ended, by kind, in the order in which they did: the many replications push out no shadow copies. */
  readonly #ended: Readonly<Record<JobKind, Map<number, Job>>> = { 'shadow-copy': new Map(), replicate: new Map() };
  /** By kind and machine. */
  readonly #lasts: Readonly<Record<JobKind, Map<string, Lasts>>> = { 'shadow-copy': new Map(), replicate: new Map() };
  readonly #planned: Map<string, number>;
  /** What could not be written yet: it is tried with whatever is written next. */
  #unwritten: StoredChanges[] = [];
  #highest = 0;

  private constructor(store: JobStore, planned: Map<string, number>, mostEnded: number) {
    this.#store = store;
    this.#mostEnded = mostEnded;
    this.#planned = planned;
  }

  /** @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  static async open(store: JobStore, mostEnded = MOST_ENDED): Promise<JobBook> {
    const book = new JobBook(store, await store.planned(), mostEnded);
    const all = await store.all();
    const jobs = all.filter(hasEnded).map(withoutLog);
    const lastEnded = new Map<string, number>();
    for (const { machine, id } of jobs) lastEnded.set(machine, Math.max(id, lastEnded.get(machine) ?? 0));
    const remove: number[] = [];
    for (const job of all) {
      book.#highest = Math.max(book.#highest, job.id);
      if (hasEnded(job)) continue;
      // A machine has one at a time: one whose writing failed, and that is there all the same, was made again.
      if (job.id < (lastEnded.get(job.machine) ?? 0)) remove.push(job.id);
      else remove.push(...book.#reopen(job));
    }
    // By their numbers and not by their times: of those of a machine the last one is the last, also where the clock was ahead before.
    jobs.sort((a, b) => a.id - b.id);
    // What is too much is deleted with what is written first.
    book.#unwritten.push({ remove: [...remove, ...jobs.flatMap((job) => book.#end(job))] });
    return book;
  }

  /** The highest number of a job. */
  get highest(): number {
    return this.#highest;
  }

  /** The job of a machine that has not ended. */
  open(machine: string): Job | undefined {
    return this.#open.get(machine);
  }

  /** All that have not ended. */
  allOpen(): readonly Job[] {
    return [...this.#open.values()];
  }

  /** Those that have ended, the newest first. */
  allEnded(): readonly Job[] {
    const all = JOB_KINDS.flatMap((kind) => [
      ...[...this.#lasts[kind].values()].flatMap(({ ended, done }) => [ended, ...(done === undefined ? [] : [done])]),
      ...this.#ended[kind].values(),
    ]);
    const jobs = new Map(all.map((job) => [job.id, job]));
    return [...jobs.values()].sort((a, b) => endOf(b) - endOf(a) || b.id - a.id);
  }

  /** The last job of a machine, of that kind, that has ended. */
  last(machine: string, kind: JobKind = 'shadow-copy'): Job | undefined {
    return this.#lasts[kind].get(machine)?.ended;
  }

  /** The last job of a machine, of that kind, that was done. */
  lastDone(machine: string, kind: JobKind = 'shadow-copy'): Job | undefined {
    return this.#lasts[kind].get(machine)?.done;
  }

  /** Since when a machine is planned for. */
  plannedSince(machine: string): number | undefined {
    return this.#planned.get(machine);
  }

  /** The machines that are planned for, or have a job that has not ended. */
  machines(): ReadonlySet<string> {
    return new Set([...this.#planned.keys(), ...this.#open.keys()]);
  }

  /** A job with its log. @throws {UmbraError} NOT_FOUND, STORE_FAILED */
  async find(id: number): Promise<Job> {
    for (const job of this.#open.values()) if (job.id === id) return job;
    // A store that was rebuilt has lost it, with what it had to say.
    const job = (await this.#store.find(id)) ?? this.#ended['shadow-copy'].get(id) ?? this.#ended.replicate.get(id);
    if (job !== undefined) return job;
    throw new UmbraError('NOT_FOUND', `there is no job ${id}`, {
      hint: `Run "umbra jobs" to see what there is: of those that have ended the last ${this.#mostEnded} are kept.`,
    });
  }

  /**
   * Write jobs, and since when machines are planned for. If that fails nothing holds of the jobs; the machines are planned for all the same,
   * since what is due while the store is full would else have been due before.
   * @throws {UmbraError} STORE_*
   */
  async write(jobs: readonly Job[], plan: StoredChanges['plan'] = []): Promise<void> {
    for (const { machine, sinceMs } of plan) this.#planned.set(machine, sinceMs);
    try {
      await this.#write({ put: jobs, plan });
    } catch (error) {
      if (plan.length > 0) this.#unwritten.push({ plan });
      throw error;
    }
    for (const job of jobs) this.#take(job);
  }

  /**
   * Write what has happened to a job. It holds even if that fails: then it is written with what is written next.
   * @throws {UmbraError} STORE_*
   */
  async settle(job: Job): Promise<void> {
    const remove = this.#take(job);
    await this.#writeNowOrLater({ put: [job], remove });
  }

  /** A job that was not begun is not wanted any more. @throws {UmbraError} STORE_* */
  async drop(job: Job): Promise<void> {
    this.#open.delete(job.machine);
    await this.#writeNowOrLater({ remove: [job.id] });
  }

  /** A machine is not planned for any more. @throws {UmbraError} STORE_* */
  async unplan(machine: string): Promise<void> {
    const lasts = JOB_KINDS.flatMap((kind) => this.#lasts[kind].get(machine) ?? []);
    for (const kind of JOB_KINDS) this.#lasts[kind].delete(machine);
    const leaving = lasts
      .flatMap(({ ended, done }) => [ended, done])
      .filter((job) => job !== undefined && !this.#isKept(job));
    this.#planned.delete(machine);
    const changes = { unplan: [machine], remove: leaving.flatMap((job) => job?.id ?? []) };
    await this.#writeNowOrLater(changes);
  }

  /** @returns the number of the one before it: a machine has one, and that was left by mistake */
  #reopen(job: Job): number[] {
    const before = this.#open.get(job.machine);
    this.#open.set(job.machine, job);
    return before === undefined ? [] : [before.id];
  }

  async #writeNowOrLater(changes: StoredChanges): Promise<void> {
    try {
      await this.#write(changes);
    } catch (error) {
      this.#unwritten.push(changes);
      throw error;
    }
  }

  async #write(changes: StoredChanges): Promise<void> {
    const unwritten = this.#unwritten;
    const all = [...unwritten, changes];
    await this.#store.write({
      put: newest(all.flatMap(({ put = [] }) => put)),
      remove: all.flatMap(({ remove = [] }) => remove),
      ...planOf(all),
    });
    this.#unwritten = this.#unwritten.slice(unwritten.length);
  }

  /** @returns the numbers of jobs that are not kept any more */
  #take(job: Job): number[] {
    this.#highest = Math.max(this.#highest, job.id);
    if (!hasEnded(job)) {
      this.#open.set(job.machine, job);
      return [];
    }
    if (this.#open.get(job.machine)?.id === job.id) this.#open.delete(job.machine);
    return this.#end(withoutLog(job));
  }

  #end(job: Job): number[] {
    const lasts = this.#lasts[job.kind];
    const allEnded = this.#ended[job.kind];
    const before = lasts.get(job.machine);
    allEnded.set(job.id, job);
    lasts.set(job.machine, { ended: job, done: job.state === 'done' ? job : before?.done });
    const leaving = [before?.ended, before?.done].filter((old) => old !== undefined);
    for (const old of allEnded.values()) {
      if (allEnded.size <= this.#mostEnded) break;
      allEnded.delete(old.id);
      leaving.push(old);
    }
    return leaving.filter((old) => !this.#isKept(old)).map(({ id }) => id);
  }

  #isKept({ id, machine, kind }: Job): boolean {
    const lasts = this.#lasts[kind].get(machine);
    return this.#ended[kind].has(id) || lasts?.ended.id === id || lasts?.done?.id === id;
  }
}

/** Of several states of a job the last one. */
function newest(jobs: readonly Job[]): readonly Job[] {
  return [...new Map(jobs.map((job) => [job.id, job])).values()];
}

/** What holds of machines that were let go of and are planned for again, or the other way round, is what was said last. */
function planOf(changes: readonly StoredChanges[]): Required<Pick<StoredChanges, 'plan' | 'unplan'>> {
  const since = new Map<string, number | undefined>();
  for (const { plan = [], unplan = [] } of changes) {
    for (const machine of unplan) since.set(machine, undefined);
    for (const { machine, sinceMs } of plan) since.set(machine, sinceMs);
  }
  return {
    plan: [...since].flatMap(([machine, sinceMs]) => (sinceMs === undefined ? [] : [{ machine, sinceMs }])),
    unplan: [...since].flatMap(([machine, sinceMs]) => (sinceMs === undefined ? [machine] : [])),
  };
}

function endOf({ endedMs, dueMs }: Job): number {
  return endedMs ?? dueMs;
}

function withoutLog(job: Job): Job {
  return { ...job, log: [] };
}

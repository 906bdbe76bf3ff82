import { messageOf, UmbraError } from '../common/errors.js';
import type { Progress } from '../protocol/api.js';
import { choose, MOST_OF_HOST } from './choose.js';
import { DueJobs } from './due-jobs.js';
import { Hurries } from './hurries.js';
import { hurried, type Come } from './hurry.js';
import { JobBook } from './job-book.js';
import { hasEnded, saying, type Job } from './job.js';
import { Moments } from './moments.js';
import { failed, givenUpFor, interrupted, made, madeUnheard } from './outcome.js';
import type { Newest, PlannedMachine, SchedulerParts } from './scheduler-parts.js';

/** It is looked again after so long at the latest: clocks are set, and computers sleep. */
const LONGEST_SLEEP_MS = 60 * 60_000;
/** After the store could not be read or written. */
const AFTER_TROUBLE_MS = 60_000;

/** An agent is there. */
const AGENT_THERE: Come = { codes: ['AGENT_UNREACHABLE', 'SERVER_STOPPING'], madeUp: 'AGENT_UNREACHABLE' };

interface Running {
  readonly host: string;
  readonly controller: AbortController;
  progress?: Progress;
}

/**
 * Has done what is due, by whoever it is given. It sleeps until the next moment at which something is, and looks when something has happened. All that it decides
 * it notes before it does it; one step comes after the other.
 */
export class Scheduler {
  readonly book: JobBook;
  readonly moments: Moments;
  readonly #parts: SchedulerParts;
  readonly #dueJobs: DueJobs;
  readonly #running = new Map<string, Running>();
  readonly #attempts = new Set<Promise<void>>();
  readonly #hurries = new Hurries();
  #last: Promise<unknown> = Promise.resolve();
  #cancelTimer = (): void => undefined;
  #isScheduling = false;
  #isPoked = false;

  private constructor(parts: SchedulerParts, book: JobBook) {
    this.#parts = parts;
    this.book = book;
    this.moments = new Moments(parts, book);
    this.#dueJobs = new DueJobs(parts, book, this.moments);
  }

  /** One that knows its jobs, and begins none before it is started. @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  static async open(parts: SchedulerParts): Promise<Scheduler> {
    return new Scheduler(parts, await JobBook.open(parts.jobs, parts.mostEnded));
  }

  get isScheduling(): boolean {
    return this.#isScheduling;
  }

  /** Begin to do what is due. */
  start(): void {
    this.#isScheduling = true;
    this.moments.startedMs = this.#parts.clock.now();
    this.poke();
  }

  /** Begin nothing more; resolves when what runs has ended and is noted. Somebody else aborts it. */
  async stop(): Promise<void> {
    this.#isScheduling = false;
    this.#cancelTimer();
    await this.#inOrder(() => Promise.resolve());
    await Promise.all(this.#attempts);
  }

  /** Something has changed that may matter: machines, policies, limits. */
  poke(): void {
    if (!this.#isScheduling || this.#isPoked) return;
    this.#isPoked = true;
    void this.#inOrder(async () => {
      this.#isPoked = false;
      await this.#step();
    });
  }

  /** The agent of a host is there again: what failed since it was not is done now. */
  hostIsBack(host: string): void {
    this.#hurry(`the agent of ${host}`, (machine) => machine.host === host, AGENT_THERE);
  }

  /** Machines are on other hosts: what failed since the agent of the one before was not there is done now. */
  hostsChanged(): void {
    const isElsewhere = ({ name, host }: PlannedMachine): boolean => {
      const job = this.book.open(name) ?? this.book.last(name);
      return job !== undefined && job.host !== host && this.#parts.wasThere(host);
    };
    this.#hurry('other hosts', isElsewhere, AGENT_THERE);
  }

  /** The disk of the store has room again: what failed since it had none is done now. */
  roomIsBack(): void {
    this.#hurry('room', () => true, { codes: ['STORE_FULL'], madeUp: 'STORE_FULL' });
  }

  #hurry(what: string, isMeant: (machine: PlannedMachine) => boolean, come: Come): void {
    if (!this.#isScheduling) return;
    this.#hurries.add(what, { isMeant, come });
    this.poke();
  }

  async #hurryAll(machines: readonly PlannedMachine[], nowMs: number): Promise<void> {
    const jobsOf = (machine: PlannedMachine, come: Come): readonly Job[] =>
      hurried(this.book, machine.name, come, nowMs, (due) => this.#dueJobs.make(machine, due, nowMs));
    await this.#hurries.noteAll(machines, jobsOf, (jobs) => this.book.write(jobs));
  }

  isRunning(machine: string): boolean {
    return this.#running.has(machine);
  }

  /** How far the attempt of a machine is, if one runs. */
  progressOf(machine: string): Progress | undefined {
    return this.#running.get(machine)?.progress;
  }

  /**
   * Cancel a job: one that waits has ended then, one that runs ends soon.
   * @throws {UmbraError} NOT_FOUND; BAD_ARGUMENT when it has ended; STORE_*
   */
  cancel(id: number): Promise<Job> {
    return this.#inOrder(async () => {
      const job = await this.book.find(id);
      if (hasEnded(job)) throw new UmbraError('BAD_ARGUMENT', `job ${id} has ended: it is ${job.state}`);
      const running = this.#running.get(job.machine);
      if (running !== undefined) {
        running.controller.abort(new UmbraError('CANCELLED', 'cancelled'));
        return job;
      }
      const nowMs = this.#parts.clock.now();
      const cancelled = saying({ ...job, state: 'cancelled', endedMs: nowMs }, nowMs, 'cancelled');
      await this.book.settle(cancelled);
      this.poke();
      return cancelled;
    });
  }

  /** One after the other; whoever calls hears of errors. */
  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #step(): Promise<void> {
    this.#cancelTimer();
    if (!this.#isScheduling) return;
    const { clock } = this.#parts;
    try {
      const machines = this.#parts.machines();
      await this.#hurryAll(machines, clock.now());
      await this.#recover();
      await this.#letGo(machines);
      await this.#noteDue(machines, clock.now());
      await this.#begin(clock.now());
      this.#parts.settled?.();
      this.#sleep(this.#nextMs(machines, clock.now()) - clock.now());
    } catch (error) {
      this.#trouble(error);
    }
  }

  /** Nothing is begun that can't be noted; it is tried again. */
  #trouble(error: unknown): void {
    this.#parts.log.warn('scheduling is held up', { error: messageOf(error) });
    this.#sleep(AFTER_TROUBLE_MS);
  }

  #sleep(delayMs: number): void {
    this.#cancelTimer();
    if (!this.#isScheduling) return;
    this.#cancelTimer = this.#parts.clock.after(Math.min(Math.max(delayMs, 0), LONGEST_SLEEP_MS), () => {
      this.poke();
    });
  }

  /** Jobs that ran in a server that died, and those that failed only as far as anybody heard. */
  async #recover(): Promise<void> {
    const { clock, random } = this.#parts;
    for (const job of this.book.allOpen()) {
      if (job.state === 'waiting' || this.#running.has(job.machine)) continue;
      const nowMs = clock.now();
      const done = madeUnheard(job, this.#newest(job), nowMs);
      if (done !== undefined) await this.book.settle(done);
      else if (job.state === 'running') await this.book.settle(interrupted(job, nowMs, random));
    }
  }

  /** Machines that are not protected any more. */
  async #letGo(machines: readonly PlannedMachine[]): Promise<void> {
    const names = new Set(machines.map(({ name }) => name));
    this.moments.keepOnly(names);
    const nowMs = this.#parts.clock.now();
    for (const name of this.book.machines()) {
      if (names.has(name)) continue;
      const job = this.book.open(name);
      const running = this.#running.get(name);
      running?.controller.abort(new UmbraError('CANCELLED', 'the machine is not protected any more'));
      if (running !== undefined) continue;
      if (job !== undefined) {
        await this.book.settle(saying({ ...job, state: 'cancelled', endedMs: nowMs }, nowMs, 'not protected any more'));
      }
      await this.book.unplan(name);
    }
  }

  /** Make the jobs that are due, all in one write. */
  async #noteDue(machines: readonly PlannedMachine[], nowMs: number): Promise<void> {
    const { jobs, plan, unwanted } = this.#dueJobs.of(machines, nowMs);
    for (const job of unwanted) await this.book.drop(job);
    if (jobs.length + plan.length > 0) await this.book.write(jobs, plan);
  }

  /** What there is of the kind that a job makes. */
  #newest({ machine, kind }: Job): Newest | undefined {
    return kind === 'replicate' ? this.#parts.upToDate(machine) : this.#parts.latest(machine);
  }

  async #begin(nowMs: number): Promise<void> {
    const ready = this.book
      .allOpen()
      .filter((job) => !this.#running.has(job.machine) && this.moments.readyMs(job, nowMs) <= nowMs);
    const ofHost = new Map<string, number>();
    for (const { host } of this.#running.values()) ofHost.set(host, (ofHost.get(host) ?? 0) + 1);
    const mostOf = (host: string): number => this.#parts.limitsOf(host).concurrent ?? MOST_OF_HOST;
    for (const job of choose(ready, { ofHost, all: this.#running.size }, mostOf)) {
      if (this.#isScheduling) await this.#attempt(job);
    }
  }

  async #attempt(waiting: Job): Promise<void> {
    const { clock } = this.#parts;
    const { error: _error, before: _before, ...rest } = waiting;
    const before = this.#newest(waiting)?.name;
    const beganMs = clock.now();
    const attempts = waiting.attempts + 1;
    const begun: Job = { ...rest, state: 'running', beganMs, attempts, ...(before === undefined ? {} : { before }) };
    const job = saying(begun, beganMs, attempts === 1 ? 'begun' : `begun, attempt ${attempts}`);
    await this.book.write([job]);
    const running: Running = { host: job.host, controller: new AbortController() };
    this.#running.set(job.machine, running);
    const attempt = this.#run(job, running).finally(() => this.#attempts.delete(attempt));
    this.#attempts.add(attempt);
  }

  async #run(job: Job, running: Running): Promise<void> {
    const { clock, random, backUp, log } = this.#parts;
    const { controller } = running;
    const progress = (now: Progress): void => {
      running.progress = now;
    };
    let ended: Job;
    let isHeard = true;
    try {
      const policy = this.#parts.policyOf(job.machine);
      const result = await backUp(job.machine, { id: job.id, kind: job.kind, controller, progress });
      ended = made(job, result, policy, clock.now());
    } catch (error) {
      const reason = givenUpFor(controller.signal, error, !this.#isScheduling);
      ended = failed(job, error, reason, clock.now(), random);
      isHeard = false;
    }
    await this.#inOrder(async () => {
      this.#running.delete(job.machine);
      const unheard = isHeard ? undefined : madeUnheard(job, this.#newest(job), clock.now());
      await this.book.settle(unheard ?? ended);
      this.#parts.settled?.();
    }).catch((error: unknown) => {
      log.error('a job could not be noted', { job: job.id, error: messageOf(error) });
    });
    this.poke();
  }

  /** The next moment at which something may be begun, but for what waits for the end of something else. */
  #nextMs(machines: readonly PlannedMachine[], nowMs: number): number {
    let nextMs = Infinity;
    for (const { name } of machines) {
      if (this.#running.has(name)) continue;
      const job = this.book.open(name);
      const atMs = job === undefined ? this.moments.next(name, nowMs).dueMs : this.moments.readyMs(job, nowMs);
      if (job === undefined || atMs > nowMs) nextMs = Math.min(nextMs, atMs);
    }
    return nextMs;
  }
}

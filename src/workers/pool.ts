import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

import { UmbraError } from '../common/errors.js';
import { RegionSlots } from './region-slots.js';
import type {
  WorkerAnswer,
  WorkerFault,
  WorkerReplies,
  WorkerRequest,
  WorkerSettings,
  WorkerStart,
} from './messages.js';

/** A request failed in a worker. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError';
  readonly kind: WorkerFault['kind'];
  /** `ENOSPC` and the like. */
  readonly code: string | undefined;

  constructor(fault: WorkerFault) {
    super(fault.message);
    this.kind = fault.kind;
    this.code = fault.systemCode;
  }
}

interface Waiting {
  readonly resolve: (reply: never) => void;
  readonly reject: (error: Error) => void;
}

/** One thread of the pool. Requests are worked off in order. */
class PoolThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ending = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #ended: Promise<void>;
  #nextId = 0;
  #failure: Error | undefined;

  constructor(settings: WorkerSettings) {
    // Without the process's own flags (module loaders, an inspector), which would make every worker slow to start.
    const workerData: WorkerStart = { settings, ending: this.#ending };
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData, execArgv: [] });
    this.#worker.unref();
    this.#worker.on('message', (answer: WorkerAnswer) => {
      this.#settle(answer);
    });
    this.#worker.on('error', (cause) => {
      this.#fail(new UmbraError('INTERNAL', `a worker thread failed: ${cause.message}`, { cause }));
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#fail(new UmbraError('INTERNAL', 'a worker thread ended'));
        resolve();
      });
    });
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Requests that are not answered. */
  get load(): number {
    return this.#waiting.size;
  }

  /** @throws {WorkerError | UmbraError} */
  call<R extends WorkerRequest>(request: R): Promise<WorkerReplies[R['op']]> {
    const failure = this.#failure;
    if (failure !== undefined) return Promise.reject(failure);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#worker.postMessage({ id, request });
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
    });
  }

  /**
   * Has the thread end after the request that it is at. It is not terminated: a thread that is just loading a native library, or calls
   * one that throws, would end the whole process.
   */
  async end(): Promise<void> {
    Atomics.store(this.#ending, 0, 1);
    this.#worker.postMessage(null);
    // The process must not end before the thread has.
    this.#worker.ref();
    await this.#ended;
  }

  #settle(answer: WorkerAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0 && Atomics.load(this.#ending, 0) === 0) this.#worker.unref();
    if ('fault' in answer) waiting?.reject(new WorkerError(answer.fault));
    else waiting?.resolve(answer.reply as never);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** Worker threads for all that costs CPU time: cutting, digests, compression and back. They start when first needed. */
export class WorkerPool {
  readonly #settings: WorkerSettings;
  #threads: PoolThread[] = [];
  #closed = false;
  /** How many threads the pool may have. */
  readonly size: number;
  /** Memory to pass regions in: one that is worked on and one that is filled or stored, for each thread. */
  readonly slots: RegionSlots;

  constructor(settings: WorkerSettings, size = availableParallelism()) {
    this.#settings = settings;
    this.size = size;
    this.slots = new RegionSlots(size * 2);
  }

  /** The thread with the least to do; a new one while all are busy and there may be more. */
  #pick(): PoolThread {
    this.#threads = this.#threads.filter(({ hasFailed }) => !hasFailed);
    let best = this.#threads[0];
    for (const thread of this.#threads) if (best === undefined || thread.load < best.load) best = thread;
    if (best !== undefined && (best.load === 0 || this.#threads.length >= this.size)) return best;
    const thread = new PoolThread(this.#settings);
    this.#threads.push(thread);
    return thread;
  }

  /** Have a thread perform a request. @throws {WorkerError | UmbraError} */
  run<R extends WorkerRequest>(request: R): Promise<WorkerReplies[R['op']]> {
    if (this.#closed) return Promise.reject(new UmbraError('INTERNAL', 'the worker threads were ended'));
    return this.#pick().call(request);
  }

  /** Ends all threads when they are through with what they are at; what waits for them fails. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.splice(0).map((thread) => thread.end()));
  }
}

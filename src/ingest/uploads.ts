import { toHex } from '../codec/digest.js';
import type { Clock } from '../common/clock.js';
import { UmbraError } from '../common/errors.js';
import type { Progress } from '../protocol/api.js';
import type { WireFrame } from '../protocol/frames.js';
import type { BeginFrame, DoneFrame, GiveUpFrame, ResumeFrame, ServerFrame } from '../protocol/ingest.js';
import type { JobKind } from '../protocol/jobs-api.js';
import { toWireError } from '../protocol/wire-error.js';
import type { ShadowCopyRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import type { WorkerPool } from '../workers/pool.js';
import { parseAgentFrame } from './agent-frames.js';
import { HostChunks } from './host-chunks.js';
import type { Sender } from './sender.js';
import { ConnectionLost, failable, type NextFrame } from './failable-frames.js';
import { Upload } from './upload.js';

/** How long an upload whose connection was lost is kept, and the answer of one that is done. */
const RESUME_LIMIT_MS = 10 * 60 * 1000;
/** The same for an administrator's: a command that was killed must not keep others from the machine for long. */
const COMMAND_RESUME_LIMIT_MS = 60 * 1000;

export interface UploadsOptions {
  readonly store: () => Store;
  readonly pool: () => WorkerPool;
  readonly clock: Clock;
}

/** Runs an upload as a job: `run` ends with the shadow copy, or when the signal is aborted. */
export type RunUpload = (
  upload: Upload,
  run: (signal: AbortSignal, progress: (progress: Progress) => void) => Promise<ShadowCopyRecord>,
) => Promise<ShadowCopyRecord>;

/** One connection of who sends. */
export interface IngestConnection {
  readonly sender: Sender;
  /** Its frames; throws when the connection is lost. */
  readonly frames: AsyncIterator<WireFrame, void>;
  readonly send: (frame: ServerFrame) => void;
  /** @returns what becomes of it @throws {UmbraError} when this sender may not add shadow copies to the machine */
  readonly authorize: (machine: string) => JobKind;
  readonly runJob: RunUpload;
}

/** An upload and its job. */
interface Running {
  readonly upload: Upload;
  /** Ends the job. */
  readonly settle: (outcome: Outcome) => void;
  readonly job: Promise<ShadowCopyRecord>;
  /** What the agent is told, once the shadow copy is made. */
  done: DoneFrame | undefined;
  /** Stops the clock that forgets it. */
  keep: () => void;
  /** Drops the connection that it has; resolves when it has none. */
  drop: () => Promise<void>;
}

type Outcome = { readonly record: ShadowCopyRecord } | { readonly error: unknown };

/** The uploads under way in this process. */
export class Uploads {
  readonly #options: UploadsOptions;
  readonly #hostChunks = new HostChunks();
  readonly #running = new Map<string, Running>();

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  /**
   * Serve a connection until it has ended. What goes wrong is said to the agent, as far as it still listens.
   * @throws {UmbraError} what went wrong
   */
  async serve(connection: IngestConnection): Promise<void> {
    const { next, fail } = failable(connection.frames);
    let running: Running | undefined;
    let ended = (): void => undefined;
    const whenEnded = new Promise<void>((resolve) => (ended = resolve));
    try {
      const first = await next();
      if (first === undefined) return;
      // What it has of a body is of no use.
      first.release?.();
      running = await this.#open(connection, first);
      await running.drop();
      running.keep();
      running.drop = async () => {
        fail(new ConnectionLost('the agent connected anew'));
        await whenEnded;
      };
      running.upload.attach({ send: connection.send, fail }, running.done);
      if (running.done === undefined) connection.send(await this.#receive(running, next));
    } catch (error) {
      connection.send({ t: 'error', error: toWireError(error) });
      if (!(error instanceof ConnectionLost)) running?.settle({ error });
      throw error;
    } finally {
      if (running !== undefined) await this.#letGo(running);
      ended();
    }
  }

  /** How far the upload of a machine is; undefined if there is none under way. */
  progressOf(machine: string): Progress | undefined {
    const running = [...this.#running.values()].find(({ upload }) => upload.machine === machine && !upload.isOver);
    return running === undefined ? undefined : progressOf(running.upload);
  }

  /** Nobody waits for an agent's shadow copy of this machine any more: what is under way for it ends, and what it holds is let go. */
  async giveUp(machine: string): Promise<void> {
    for (const [id, running] of this.#running) {
      const { upload, done } = running;
      if (upload.machine !== machine || upload.sender.host === undefined || done !== undefined) continue;
      await this.#end(id, running, new UmbraError('CANCELLED', 'the backup was given up'));
    }
  }

  /** Give up all of them. */
  async close(reason: UmbraError): Promise<void> {
    const all = [...this.#running.values()];
    for (const { settle, upload } of all) {
      settle({ error: reason });
      upload.fail(reason);
    }
    await Promise.allSettled(all.map(({ job }) => job));
  }

  async #receive(running: Running, next: NextFrame): Promise<DoneFrame> {
    for (;;) {
      const frame = await next();
      if (frame === undefined) throw new ConnectionLost('the agent went away');
      const record = await running.upload.take(frame);
      if (record === undefined) continue;
      running.done = doneFrame(running.upload, record);
      running.settle({ record });
      await running.job;
      return running.done;
    }
  }

  async #open(connection: IngestConnection, first: WireFrame): Promise<Running> {
    const message = parseAgentFrame(first);
    if (message.t === 'begin') return await this.#begin(connection, message);
    if (message.t === 'resume') return this.#resume(connection, message);
    if (message.t === 'giveUp') return await this.#cancel(connection, message);
    throw new UmbraError('BAD_ARGUMENT', `a stream begins with "begin" or "resume", not with "${message.t}"`);
  }

  async #begin({ sender, authorize, runJob }: IngestConnection, message: BeginFrame): Promise<Running> {
    const kind = authorize(message.machine);
    await this.#supersede(sender, message.machine);
    const { clock } = this.#options;
    const { store, pool } = this.#options;
    await store().objectStore.assertRoom();
    const parts = { store: store(), pool: pool(), clock, hostChunks: this.#hostChunks, kind };
    const upload = await Upload.begin(parts, sender, message);
    const { outcome, settle } = outcomeToCome();
    let start = (): void => undefined;
    const started = new Promise<void>((resolve) => (start = resolve));
    const followed = runJob(upload, (signal, progress) => {
      start();
      return follow(upload, outcome, settle, { signal, progress, clock });
    });
    const job = endAfter(followed, upload);
    await Promise.race([started, job]);
    job.catch(() => undefined);
    const running = { upload, settle, job, done: undefined, keep: nothing, drop: () => Promise.resolve() };
    this.#running.set(upload.id, running);
    return running;
  }

  /**
   * A host that begins anew has forgotten what it was at, or its connection is dead and the server does not know it yet. An
   * administrator may run two commands: the one that is connected goes on.
   */
  async #supersede(sender: Sender, machine: string): Promise<void> {
    for (const [id, running] of this.#running) {
      const { upload } = running;
      if (upload.sender.name !== sender.name || upload.machine !== machine) continue;
      if (sender.host === undefined && upload.isAttached) continue;
      await this.#end(id, running, new UmbraError('CANCELLED', 'the agent began anew'));
    }
  }

  async #end(id: string, running: Running, error: UmbraError): Promise<void> {
    running.settle({ error });
    await running.drop();
    await running.job.catch(() => undefined);
    running.keep();
    this.#running.delete(id);
  }

  #resume({ sender, authorize }: IngestConnection, { upload: id }: ResumeFrame | GiveUpFrame): Running {
    const running = this.#running.get(id);
    const isKnown =
      running?.upload.sender.name === sender.name && (running.done !== undefined || !running.upload.isOver);
    if (running !== undefined && isKnown) {
      // The machine may be another host's by now.
      authorize(running.upload.machine);
      return running;
    }
    throw new UmbraError('NOT_FOUND', 'there is no such upload any more', { hint: 'The agent begins anew.' });
  }

  /** @throws {UmbraError} CANCELLED: who sends does not want it any more */
  async #cancel(connection: IngestConnection, message: GiveUpFrame): Promise<never> {
    const running = this.#resume(connection, message);
    const error = new UmbraError('CANCELLED', 'the backup was given up');
    if (running.done === undefined) await this.#end(message.upload, running, error);
    throw error;
  }

  /** Keep it for a while, so that the agent can come back. */
  async #letGo(running: Running): Promise<void> {
    await running.upload.detach();
    // Only now may another connection take over.
    running.drop = () => Promise.resolve();
    const limitMs = running.upload.sender.host === undefined ? COMMAND_RESUME_LIMIT_MS : RESUME_LIMIT_MS;
    running.keep = this.#options.clock.after(limitMs, () => {
      running.settle({ error: new UmbraError('CANCELLED', 'the agent did not come back') });
      this.#running.delete(running.upload.id);
    });
  }
}

function outcomeToCome(): { readonly outcome: Promise<ShadowCopyRecord>; readonly settle: Running['settle'] } {
  let resolve: (record: ShadowCopyRecord) => void = nothing;
  let reject: (error: unknown) => void = nothing;
  const outcome = new Promise<ShadowCopyRecord>((take, refuse) => {
    resolve = take;
    reject = refuse;
  });
  outcome.catch(nothing);
  const settle: Running['settle'] = (end) => {
    if ('record' in end) resolve(end.record);
    else reject(end.error);
  };
  return { outcome, settle };
}

/** @returns what the job does, once its upload has ended too */
async function endAfter<T>(job: Promise<T>, upload: Upload): Promise<T> {
  try {
    return await job;
  } finally {
    await upload.end();
  }
}

function nothing(): void {
  // There is nothing to do.
}

/** Wait for the end of an upload; one that is cancelled ends by that. */
async function follow(
  upload: Upload,
  outcome: Promise<ShadowCopyRecord>,
  settle: Running['settle'],
  { signal, progress, clock }: { signal: AbortSignal; progress: (progress: Progress) => void; clock: Clock },
): Promise<ShadowCopyRecord> {
  const abort = (): void => {
    const error: unknown = signal.reason;
    settle({ error });
    upload.fail(error);
  };
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  let stop = (): void => undefined;
  const tell = (): void => {
    progress(progressOf(upload));
    stop = clock.after(500, tell);
  };
  tell();
  try {
    return await outcome;
  } finally {
    stop();
    signal.removeEventListener('abort', abort);
  }
}

/** An agent is not told how much of what it sent was new to the store. */
function doneFrame({ sender, results }: Upload, record: ShadowCopyRecord): DoneFrame {
  const roots = record.volumes.map(({ root }) => toHex(root));
  return { t: 'done', shadowCopy: record.name, roots, ...(sender.host === undefined ? { volumes: results } : {}) };
}

function progressOf({ sender, position, totalBytes }: Upload): Progress {
  return { what: `receiving from ${sender.name}`, doneBytes: position, totalBytes };
}

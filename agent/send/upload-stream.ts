import type { Clock } from '../../src/common/clock.js';
import { messageOf, UmbraError } from '../../src/common/errors.js';
import {
  ALIVE_MS,
  INGEST_WINDOW,
  type AgentFrame,
  type BeginFrame,
  type BegunFrame,
  type DoneFrame,
  type EndFrame,
  type RegionPlace,
  type ResumeFrame,
  type ServerFrame,
} from '../../src/protocol/ingest.js';
import { fromWireError } from '../../src/protocol/wire-error.js';
import type { Connection } from './connection.js';

/** A region that was sent and is not settled. */
export interface SentRegion {
  /** The chunks that the server asks for, one behind the other. */
  readonly chunks: (wanted: readonly number[]) => Uint8Array;
  /** The server has it, or the connection is lost: its memory is free. */
  readonly over: () => void;
}

/** One connection of an upload: keeps to the window, answers what the server asks for, and says that the agent is alive. */
export class UploadStream {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #outstanding = new Map<string, SentRegion>();
  readonly #frames: AsyncIterator<ServerFrame, void>;
  readonly #signal: AbortSignal;
  readonly #onReached: (volume: number, position: number) => void;
  #place = { volume: 0, position: 0 };
  #wake: () => void = nothing;
  #failure: { readonly error: unknown } | undefined;
  #done: DoneFrame | undefined;
  #stopAlive: () => void = nothing;

  /** @param onReached - called with how far a volume was read */
  constructor(
    connection: Connection,
    clock: Clock,
    signal: AbortSignal,
    onReached: (volume: number, position: number) => void = nothing,
  ) {
    this.#onReached = onReached;
    this.#connection = connection;
    this.#clock = clock;
    this.#signal = signal;
    this.#frames = serverFrames(connection)[Symbol.asyncIterator]();
    signal.addEventListener('abort', this.#abort);
    if (signal.aborted) this.#abort();
  }

  readonly #abort = (): void => {
    this.#fail(new UmbraError('CANCELLED', 'cancelled'));
  };

  async begin(frame: BeginFrame | ResumeFrame): Promise<BegunFrame> {
    await this.#connection.send(frame);
    const first = await this.#frames.next();
    if (first.done === true) throw lost(undefined);
    const begun = first.value;
    if (begun.t === 'error') throw fromWireError(begun.error);
    if (begun.t !== 'begun') throw new UmbraError('SERVER_UNREACHABLE', `the server begins with "${begun.t}"`);
    void this.#listen();
    this.#sayAlive();
    return begun;
  }

  /** How far a volume was read. */
  reached(volume: number, position: number): void {
    this.#place = { volume, position };
    this.#onReached(volume, position);
  }

  /** Send a region as soon as there is room for it in the window. @throws {UmbraError} when the upload has failed, or the connection */
  async send(frame: AgentFrame & RegionPlace, body: Uint8Array, region: SentRegion): Promise<void> {
    try {
      await this.#until(() => this.#outstanding.size < INGEST_WINDOW);
    } catch (error) {
      region.over();
      throw error;
    }
    this.#outstanding.set(keyOf(frame), region);
    await this.#sendBody(frame, body);
  }

  /** Resolves when all that was sent is settled. */
  async settled(): Promise<void> {
    await this.#until(() => this.#outstanding.size === 0);
  }

  async end(frame: EndFrame, config: Uint8Array): Promise<void> {
    await this.#sendBody(frame, config);
  }

  /** A frame that waited in vain, since the stream is over, fails with why it is. */
  async #sendBody(frame: AgentFrame, body: Uint8Array): Promise<void> {
    try {
      await this.#connection.send(frame, body);
    } catch (error) {
      throw this.#failure === undefined ? error : this.#failure.error;
    }
  }

  async done(): Promise<DoneFrame> {
    let done: DoneFrame | undefined;
    await this.#until(() => (done = this.#done) !== undefined);
    if (done === undefined) throw lost(undefined);
    return done;
  }

  /** Idempotent. */
  close(): void {
    this.#signal.removeEventListener('abort', this.#abort);
    this.#stopAlive();
    this.#connection.close();
    for (const { over } of this.#outstanding.values()) over();
    this.#outstanding.clear();
  }

  async #listen(): Promise<void> {
    try {
      for (let next = await this.#frames.next(); next.done !== true; next = await this.#frames.next()) {
        await this.#hear(next.value);
      }
      throw lost(undefined);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #hear(frame: ServerFrame): Promise<void> {
    switch (frame.t) {
      case 'want': {
        const region = this.#outstanding.get(keyOf(frame));
        if (region === undefined) throw new UmbraError('SERVER_UNREACHABLE', 'the server asks for what was not sent');
        const { volume, region: number } = frame;
        await this.#connection.send({ t: 'chunks', volume, region: number }, region.chunks(frame.chunks));
        return;
      }
      case 'settled':
        this.#outstanding.get(keyOf(frame))?.over();
        this.#outstanding.delete(keyOf(frame));
        this.#wake();
        return;
      case 'done':
        this.#done = frame;
        this.#wake();
        return;
      case 'error':
        throw fromWireError(frame.error);
      case 'begun':
        throw new UmbraError('SERVER_UNREACHABLE', 'the server begins twice');
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    // What waits to be sent would come to nothing.
    this.#connection.close();
    this.#wake();
  }

  async #until(isTrue: () => boolean): Promise<void> {
    for (;;) {
      // What the server said last comes first: its end of the connection may follow at once.
      if (isTrue()) return;
      if (this.#failure !== undefined) throw this.#failure.error;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #sayAlive(): void {
    this.#stopAlive = this.#clock.after(ALIVE_MS, () => {
      this.#connection.send({ t: 'alive', ...this.#place }).catch(nothing);
      this.#sayAlive();
    });
  }
}

async function* serverFrames({ frames }: Connection): AsyncGenerator<ServerFrame, void> {
  try {
    // The server is of the same protocol: that was checked with the request.
    for await (const { header } of frames) yield header as unknown as ServerFrame;
  } catch (error) {
    throw error instanceof UmbraError ? error : lost(error);
  }
}

function lost(cause: unknown): UmbraError {
  const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
  return new UmbraError('SERVER_UNREACHABLE', `the connection to the server was lost${why}`, { cause });
}

function keyOf({ volume, region }: RegionPlace): string {
  return `${volume} ${region}`;
}

function nothing(): void {
  // There is nothing to do.
}

import { existsSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../common/clock.js';
import { isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import { storeExists } from '../common/store-exists.js';
import type { Progress } from '../protocol/api.js';
import { readStream, type StreamResult } from './read-stream.js';
import { byteStream, type ByteStream } from './byte-stream.js';
import type { ItemsRequest } from './requests.js';
import { errorOf, readJson } from '../transport/answer.js';
import type { KeySource } from '../keys/key-source.js';
import type { Secret } from '../keys/secret.js';
import type { Message, Request } from '../transport/message.js';
import { isNotAnswering, send } from './send.js';
import { startServer, type CreateStore } from './start-server.js';

/** The server of a store on this machine. */
export interface LocalServer {
  /** Absolute path of the store's directory. */
  readonly store: string;
  /** How to start a server when none runs; without it, that is SERVER_UNREACHABLE. */
  readonly start?: StartOptions;
}

/** A server on any machine, which must be running. */
export interface RemoteServer {
  readonly transport: {
    /** @throws {UmbraError} */
    readonly send: (message: Message) => Promise<IncomingMessage>;
  };
}

export type ClientOptions = (LocalServer | RemoteServer) & {
  readonly clock: Clock;
  /** Aborted when the user has had enough. */
  readonly interrupted?: AbortSignal;
};

export interface StartOptions {
  /** The JavaScript program of the server. */
  readonly program: string;
  readonly idleExitMs: number;
  /** Make the store when there is none. */
  readonly create?: CreateStore;
  readonly secret?: Secret | undefined;
  readonly keySource?: KeySource | undefined;
  /** Asks the user for the passphrase of an encrypted store; undefined where nobody can be asked. */
  readonly askPassphrase?: (() => Promise<Secret>) | undefined;
}

/** How long another process may hold the store without answering, before it is taken for something else than a server. */
const HOLDER_LIMIT_MS = 5_000;
/** How long a server that shuts down is waited for. */
const STOPPING_LIMIT_MS = 60_000;
const POLL_MS = 25;

/** How often somebody is asked for a passphrase. */
const PASSPHRASE_TRIES = 3;

/** Start a server; if it needs a key that nobody named, with what the user says. */
async function startAsking(store: string, { askPassphrase, ...start }: StartOptions): Promise<void> {
  let { secret } = start;
  for (let asked = 0; ; asked++) {
    try {
      await startServer({ store, ...start, secret });
      return;
    } catch (error) {
      const isAsked = isUmbraError(error, 'KEY_MISSING') || (asked > 0 && isUmbraError(error, 'KEY_WRONG'));
      if (!isAsked || askPassphrase === undefined || asked === PASSPHRASE_TRIES) throw error;
      secret = await askPassphrase();
    }
  }
}

/** Speaks to one server, and starts it when it is that of a store of this machine and none runs. */
export class Client {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /**
   * A short operation.
   * @throws {UmbraError} what the server says; SERVER_UNREACHABLE, NOT_OWNER; CANCELLED at once when interrupted
   */
  async call<T>(request: Request<T>): Promise<T> {
    return (await this.#orInterrupted(this.#open(request).then(readJson))) as T;
  }

  /**
   * A long operation, until it has its result. When interrupted, the server is asked to cancel it and its answer is waited for.
   * @throws {UmbraError} what the server says, CANCELLED among it; SERVER_UNREACHABLE when it dies
   */
  async run<T>(request: Request<T>, progress?: (progress: Progress) => void): Promise<T> {
    const { result, close } = await this.stream(request, progress);
    await close();
    return result;
  }

  /**
   * As {@link run}, for a result with items.
   * @param items takes them; no more are read until it resolves
   */
  async items<Item, T>(
    request: ItemsRequest<Item, T>,
    items: (items: readonly Item[]) => Promise<void>,
    progress?: (progress: Progress) => void,
  ): Promise<T> {
    // The server is of the same protocol: that was checked with the request.
    const take = (list: readonly unknown[]): Promise<void> => items(list as readonly Item[]);
    const { result, close } = await this.stream(request, progress, take);
    await close();
    return result;
  }

  /**
   * The bytes of a file.
   * @throws {UmbraError} what the server says, also while the bytes are read; SERVER_UNREACHABLE, CANCELLED
   */
  async bytes(request: Message): Promise<ByteStream> {
    const response = await this.#orInterrupted(this.#open(request));
    if (response.statusCode !== 200) await readJson(response);
    return byteStream(response, this.#options.interrupted);
  }

  /** As {@link run}, for an operation that goes on after its result (a leased mount), or has items before it. */
  async stream<T>(
    request: Request<T>,
    progress?: (progress: Progress) => void,
    items?: (items: readonly unknown[]) => Promise<void>,
  ): Promise<StreamResult<T>> {
    const { interrupted } = this.#options;
    const response = await this.#orInterrupted(this.#open(request));
    if (response.statusCode !== 200) await readJson(response);
    const cancel = async (job: number): Promise<void> => {
      try {
        await readJson(await this.#send({ method: 'DELETE', path: `/v1/jobs/${job}` }));
      } catch {
        // The job has ended in the meantime, or the server has; the stream tells which.
      }
    };
    const options = {
      ...(interrupted && { signal: interrupted }),
      ...(progress && { progress }),
      ...(items && { items }),
    };
    return await readStream<T>(response, options, cancel);
  }

  /**
   * Start a server; the one that runs already is an error here.
   * @throws {UmbraError} STORE_EXISTS, and why it can't start
   */
  async startNew(start: StartOptions): Promise<void> {
    const { store } = this.#local();
    if (await this.isAnswering()) throw storeExists(store);
    await startAsking(store, start);
  }

  /** True if a server of the store runs. */
  async isAnswering(): Promise<boolean> {
    try {
      (await this.#send({ method: 'GET', path: '/v1/status' })).resume();
      return true;
    } catch (error) {
      if (isNotAnswering(error)) return false;
      throw error;
    }
  }

  /** What has not reached the server yet, or changes nothing there, is not waited for. */
  async #orInterrupted<T>(work: Promise<T>): Promise<T> {
    const { interrupted } = this.#options;
    if (interrupted === undefined) return await work;
    return await new Promise((resolve, reject) => {
      const onAbort = (): void => {
        reject(new UmbraError('CANCELLED', 'cancelled'));
      };
      interrupted.addEventListener('abort', onAbort);
      if (interrupted.aborted) onAbort();
      work.then(resolve, reject).finally(() => {
        interrupted.removeEventListener('abort', onAbort);
      });
    });
  }

  /** Send a request, to a server that is started if need be, as often as it meets one that is going away. */
  async #open(message: Message): Promise<IncomingMessage> {
    const { clock } = this.#options;
    const startMs = clock.monotonic();
    for (;;) {
      const response = await this.#trySend(message);
      if (response !== undefined) {
        if (response.statusCode !== 503) return response;
        const error = await errorOf(response);
        if (!isUmbraError(error, 'SERVER_STOPPING') || clock.monotonic() - startMs > STOPPING_LIMIT_MS) throw error;
        await sleep(POLL_MS);
      } else {
        await this.#startOrWait();
      }
    }
  }

  /** @returns undefined when no server took the request */
  async #trySend(message: Message): Promise<IncomingMessage | undefined> {
    try {
      return await this.#send(message);
    } catch (error) {
      if (isUmbraError(error)) throw error;
      if (isNotAnswering(error)) return undefined;
      throw new UmbraError('SERVER_UNREACHABLE', `the server does not answer: ${messageOf(error)}`, { cause: error });
    }
  }

  #send(message: Message): Promise<IncomingMessage> {
    const options = this.#options;
    return 'transport' in options ? options.transport.send(message) : send(options.store, message);
  }

  #local(): LocalServer {
    if ('store' in this.#options) return this.#options;
    throw new UmbraError('INTERNAL', 'only a server of this machine can be started');
  }

  /** Start a server, or when another is about to, wait until that answers. */
  async #startOrWait(): Promise<void> {
    const { clock } = this.#options;
    const { store, start } = this.#local();
    if (start?.create === undefined && !existsSync(store)) throw storeNotFound(store);
    if (start === undefined) throw notRunning(store);
    const startMs = clock.monotonic();
    for (;;) {
      try {
        await startAsking(store, start);
        return;
      } catch (error) {
        if (!isUmbraError(error, 'STORE_IN_USE')) throw error;
        if (await this.#comesUp()) return;
        if (clock.monotonic() - startMs > HOLDER_LIMIT_MS) throw error;
      }
    }
  }

  /** Give whoever holds the store a moment to listen. */
  async #comesUp(): Promise<boolean> {
    for (let tries = 0; tries < 20; tries += 1) {
      if (await this.isAnswering()) return true;
      await sleep(POLL_MS);
    }
    return false;
  }
}

function storeNotFound(store: string): UmbraError {
  return new UmbraError('STORE_NOT_FOUND', `there is no store at ${store}`, {
    hint: '"umbra backup" and "umbra init" make one; --store DIR or $UMBRA_STORE names another.',
  });
}

function notRunning(store: string): UmbraError {
  return new UmbraError('SERVER_UNREACHABLE', `no server of the store ${store} is running`, {
    hint: 'Every command that needs one starts it; "umbra serve" runs one in the foreground.',
  });
}

import { resolve } from 'node:path';

import { Client, type StartOptions } from '../client/client.js';
import type { CreateStore } from '../client/start-server.js';
import { UmbraError } from '../common/errors.js';
import type { Progress } from '../protocol/api.js';
import { doHere, isDoneHere } from '../remote/done-here.js';
import type { ItemsRequest } from '../client/requests.js';
import type { Request } from '../transport/message.js';
import type { Environment } from './environment.js';
import { JsonItems } from './json-items.js';
import { passphraseAsker, sourceAround } from './key-options.js';
import { ProgressBar } from './progress-bar.js';
import { chooseServer, RemoteSession } from './remote-session.js';
import { findStore } from './store-path.js';

/** A server that a command started ends after so long with nothing to do. */
export const DEFAULT_IDLE_SECONDS = 30;
export const MAX_IDLE_SECONDS = 86_400;

export interface SessionOptions {
  readonly store: string | undefined;
  /** The URL of a server elsewhere. */
  readonly server?: string | undefined;
  /** The path of a file with an administrator's token for it. */
  readonly tokenFile?: string | undefined;
  readonly json: boolean;
}

/** One run of a command: its store, the client that speaks to the store's server, and its output. */
export class Session {
  readonly environment: Environment;
  readonly json: boolean;
  readonly #option: string | undefined;
  readonly #remote: RemoteSession | undefined;
  #store: string | undefined;

  constructor(environment: Environment, { store, server, tokenFile, json }: SessionOptions) {
    this.environment = environment;
    this.json = json;
    this.#option = store;
    const url = chooseServer(store, server, environment);
    this.#remote = url === undefined ? undefined : new RemoteSession(url, tokenFile, environment);
    if (url === undefined && tokenFile !== undefined)
      throw new UmbraError('BAD_ARGUMENT', '--token-file needs --server');
  }

  get isRemote(): boolean {
    return this.#remote !== undefined;
  }

  /** The way to the server elsewhere that the command is for, if it is for one. */
  get link(): RemoteSession | undefined {
    return this.#remote;
  }

  /** What the command speaks to, for people: the server's URL, or the path of the store. */
  get place(): string {
    return this.#remote?.url ?? this.store;
  }

  /**
   * The store's path; a default is named on standard error, once.
   * @throws {UmbraError} BAD_ARGUMENT with --server
   */
  get store(): string {
    if (this.#remote !== undefined) {
      throw new UmbraError('BAD_ARGUMENT', 'this is for a store of this machine, not for --server', {
        hint: 'Give --store DIR instead, or unset $UMBRA_SERVER.',
      });
    }
    if (this.#store === undefined) {
      const { path, isDefault } = findStore(this.#option, this.environment);
      if (isDefault) this.environment.stderr.write(`using the store ${path}\n`);
      this.#store = path;
    }
    return this.#store;
  }

  /** Run a short operation. */
  async call<T>(request: Request<T>): Promise<T> {
    return await this.client(this.startOptions()).call(request);
  }

  /** Run a long operation, with a progress bar. */
  async run<T>(request: Request<T>, create?: CreateStore): Promise<T> {
    return await this.withProgress(async (progress) => {
      if (this.#remote !== undefined && isDoneHere(request))
        return await this.#runHere(request, this.#remote, progress);
      return await this.client(this.startOptions(create)).run(request, progress);
    });
  }

  /** Do what takes long, with a progress bar. */
  async withProgress<T>(work: (progress: (progress: Progress) => void) => Promise<T>): Promise<T> {
    const { stderr, clock } = this.environment;
    const bar = new ProgressBar(stderr, clock);
    try {
      return await work((now) => {
        if (!this.json) bar.show(now);
      });
    } finally {
      bar.clear();
    }
  }

  /** What is written to this machine's files is written from here, and read from the server elsewhere. */
  async #runHere<T>(request: Request<T>, link: RemoteSession, progress: (progress: Progress) => void): Promise<T> {
    const { clock, interrupted: signal } = this.environment;
    return (await doHere(request, { link, clock, signal, progress })) as T;
  }

  /**
   * Run a long operation that has items before its result, with a progress bar. As JSON they are one document: an array
   * of them, `key`, and the fields of the result; it is complete, with an `error`, when the operation breaks off.
   * @param text how items are printed, some at a time
   */
  async items<Item, T extends object>(
    request: ItemsRequest<Item, T>,
    key: string,
    text: (items: readonly Item[]) => string,
  ): Promise<T> {
    const { stdout, stderr, clock } = this.environment;
    const bar = new ProgressBar(stderr, clock);
    const json = new JsonItems(stdout, key);
    const take = async (items: readonly Item[]): Promise<void> => {
      bar.clear();
      if (this.json) await json.add(items);
      else await stdout.writeBytes(Buffer.from(text(items)));
    };
    try {
      const result = await this.client(this.startOptions()).items(request, take, (progress) => {
        if (!this.json) bar.show(progress);
      });
      if (this.json) await json.end(result);
      return result;
    } catch (error) {
      if (this.json) await json.fail(error);
      throw error;
    } finally {
      bar.clear();
    }
  }

  /** @param start how to start a server when none runs; without it, none is started */
  client(start?: StartOptions): Client {
    const { clock, interrupted } = this.environment;
    if (this.#remote !== undefined) return new Client({ transport: this.#remote, clock, interrupted });
    return new Client({ store: this.store, clock, interrupted, ...(start === undefined ? {} : { start }) });
  }

  /** A client that goes on when the user has interrupted the command, to clean up. */
  cleanupClient(): Client {
    if (this.#remote !== undefined) return new Client({ transport: this.#remote, clock: this.environment.clock });
    return new Client({ store: this.store, clock: this.environment.clock });
  }

  startOptions(create?: CreateStore): StartOptions {
    const { serverProgram, variables } = this.environment;
    const idleExitMs = idleSeconds(variables['UMBRA_IDLE_SECONDS']) * 1000;
    return {
      program: serverProgram,
      idleExitMs,
      ...(create === undefined ? {} : { create }),
      keySource: sourceAround({ absolute: (path) => resolve(this.environment.directory, path) }, this.environment),
      // Nobody is asked twice for the key of a store that is to be made.
      ...(create?.cipher === undefined ? { askPassphrase: passphraseAsker(this.environment, this.place) } : {}),
    };
  }

  /** Print the result: as JSON, or in words. */
  answer(value: unknown, words: () => string): void {
    this.environment.stdout.write(this.json ? `${JSON.stringify(value, undefined, 2)}\n` : words());
  }
}

function idleSeconds(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_IDLE_SECONDS;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (seconds <= MAX_IDLE_SECONDS) return seconds;
  throw new UmbraError('BAD_ARGUMENT', `$UMBRA_IDLE_SECONDS must be a number from 0 to ${MAX_IDLE_SECONDS}`);
}

import { Client, type StartOptions } from '../client/client.js';
import type { CreateStore } from '../client/start-server.js';
import { UmbraError } from '../common/errors.js';
import type { Request } from '../client/requests.js';
import type { Environment } from './environment.js';
import { ProgressBar } from './progress-bar.js';
import { findStore } from './store-path.js';

/** A server that a command started ends after so long with nothing to do. */
export const DEFAULT_IDLE_SECONDS = 30;
export const MAX_IDLE_SECONDS = 86_400;

export interface SessionOptions {
  readonly store: string | undefined;
  readonly json: boolean;
}

/** One run of a command: its store, the client that speaks to the store's server, and its output. */
export class Session {
  readonly environment: Environment;
  readonly json: boolean;
  readonly #option: string | undefined;
  #store: string | undefined;

  constructor(environment: Environment, { store, json }: SessionOptions) {
    this.environment = environment;
    this.json = json;
    this.#option = store;
  }

  /** The store's path; a default is named on standard error, once. */
  get store(): string {
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
    const { stderr, clock } = this.environment;
    const bar = new ProgressBar(stderr, clock);
    try {
      return await this.client(this.startOptions(create)).run(request, (progress) => {
        if (!this.json) bar.show(progress);
      });
    } finally {
      bar.clear();
    }
  }

  /** @param start how to start a server when none runs; without it, none is started */
  client(start?: StartOptions): Client {
    const { clock, interrupted } = this.environment;
    return new Client({ store: this.store, clock, interrupted, ...(start === undefined ? {} : { start }) });
  }

  /** A client that goes on when the user has interrupted the command, to clean up. */
  cleanupClient(): Client {
    return new Client({ store: this.store, clock: this.environment.clock });
  }

  startOptions(create?: CreateStore): StartOptions {
    const { serverProgram, variables } = this.environment;
    const idleExitMs = idleSeconds(variables['UMBRA_IDLE_SECONDS']) * 1000;
    return { program: serverProgram, idleExitMs, ...(create === undefined ? {} : { create }) };
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

import type { Clock } from '../common/clock.js';
import { messageOf } from '../common/errors.js';
import type { Log } from '../common/log.js';
import type { PrivateFiles } from '../system/private-files.js';
import type { ListenOptions } from './listen-options.js';
import type { RemoteAccess } from './remote-access.js';
import type { RemoteServer } from './remote-server.js';
import type { RequestHandler } from './request-handler.js';

export interface RemotePortOptions {
  /** Absolute path of the store's directory. */
  readonly store: string;
  /** What the store's own secrets are kept in. */
  readonly files: () => Promise<PrivateFiles>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The HTTPS port of a store's server, if it has one, and who may come to it. Most servers never need either: they are loaded when they are asked for. */
export class RemotePort {
  readonly #options: RemotePortOptions;
  #remote: Promise<RemoteAccess> | undefined;
  #https: RemoteServer | undefined;

  constructor(options: RemotePortOptions) {
    this.#options = options;
  }

  /** Who may come: opened when it is first asked for, and tried again when that failed. @throws {UmbraError} STORE_DAMAGED, STORE_FAILED */
  access(): Promise<RemoteAccess> {
    const { store, files, clock } = this.#options;
    this.#remote ??= import('./remote-access.js')
      .then(async ({ openRemoteAccess }) => await openRemoteAccess(store, await files(), clock))
      .catch((error: unknown) => {
        this.#remote = undefined;
        throw error;
      });
    return this.#remote;
  }

  /** Resolves when it answers. @throws {UmbraError} LISTEN_FAILED, STORE_DAMAGED, STORE_FAILED */
  async listen({ address, names, limits = {} }: ListenOptions, handler: RequestHandler): Promise<void> {
    const remote = await this.access();
    const { RemoteServer: Loaded } = await import('./remote-server.js');
    const { store, clock, log } = this.#options;
    this.#https = await Loaded.start({ store, clock, log, listen: address, names, remote, handler, limits });
  }

  /** The server that answers there; undefined if none does. */
  get server(): RemoteServer | undefined {
    return this.#https;
  }

  /** How others may reach it, the best first. */
  urls(): readonly string[] {
    return this.#https?.urls() ?? [];
  }

  /** How often somebody showed a token that is none. */
  async refusedTokens(): Promise<number> {
    return (await this.#remote)?.failedTries.total ?? 0;
  }

  /** No new connections; those there end when they are done. */
  async close(): Promise<void> {
    await this.#https?.close();
    try {
      await (await this.#remote)?.access.close();
    } catch (error) {
      this.#options.log.error('closing the access failed', { error: messageOf(error) });
    }
  }
}

import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join, resolve } from 'node:path';
import { Logins } from '../client/logins.js';
import { messageOf, UmbraError } from '../common/errors.js';
import { parseServerUrl, serverUrl, type HostAndPort } from '../protocol/server-address.js';
import type { HttpsTransport, StreamedRequest } from '../transport/https-transport.js';
import type { Message } from '../transport/message.js';
import type { Environment } from './environment.js';
import { nonEmpty } from './store-path.js';

/** The server that a command is for, when it is none of this machine's stores: `--server`, else `--store`, else $UMBRA_SERVER. */
export function chooseServer(
  store: string | undefined,
  server: string | undefined,
  { variables }: Pick<Environment, 'variables'>,
): string | undefined {
  if (store !== undefined && server !== undefined) {
    throw new UmbraError('BAD_ARGUMENT', '--store and --server exclude each other');
  }
  return server ?? (store === undefined ? nonEmpty(variables['UMBRA_SERVER']) : undefined);
}

/** Where the user's log-ins are. */
export function loginsOf({ variables, home }: Pick<Environment, 'variables' | 'home'>): Logins {
  return new Logins(nonEmpty(variables['XDG_CONFIG_HOME']) ?? join(home, '.config'));
}

/** The token of `--token-file`, else of $UMBRA_TOKEN. @throws {UmbraError} BAD_ARGUMENT */
export async function givenToken(
  tokenFile: string | undefined,
  { variables, directory }: Pick<Environment, 'variables' | 'directory'>,
): Promise<string | undefined> {
  if (tokenFile === undefined) return nonEmpty(variables['UMBRA_TOKEN']);
  try {
    return await readFile(resolve(directory, tokenFile), 'utf8');
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', `the token file cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** How long what is known of a log-in is believed. */
const RENEW_MS = 12 * 60 * 60 * 1000;

/** A command's way to a server elsewhere, made when the first request goes out. */
export class RemoteSession {
  readonly url: string;
  readonly #server: HostAndPort;
  /** As the user gave it. */
  readonly tokenFile: string | undefined;
  readonly #environment: Environment;
  #transport: Promise<HttpsTransport> | undefined;
  #connectedMs = 0;

  /** @throws {UmbraError} BAD_ARGUMENT */
  constructor(url: string, tokenFile: string | undefined, environment: Environment) {
    this.#server = parseServerUrl(url);
    this.url = serverUrl(this.#server);
    this.tokenFile = tokenFile;
    this.#environment = environment;
  }

  /** @throws {UmbraError} UNAUTHENTICATED, SERVER_UNKNOWN, SERVER_UNREACHABLE */
  async send(message: Message): Promise<IncomingMessage> {
    return await (await this.#current()).send(message);
  }

  /** As {@link send}, for a request whose body is written while its answer is read. */
  async stream(message: Message): Promise<StreamedRequest> {
    return await (await this.#current()).stream(message);
  }

  /** One that was made a while ago is made anew: a mount may outlive its log-in, which is renewed on the way. */
  async #current(): Promise<HttpsTransport> {
    const { clock } = this.#environment;
    if (this.#transport === undefined || clock.now() - this.#connectedMs > RENEW_MS) {
      this.#connectedMs = clock.now();
      this.#transport = this.#connect();
      this.#transport.catch(() => {
        this.#transport = undefined;
      });
    }
    return await this.#transport;
  }

  async #connect(): Promise<HttpsTransport> {
    const { connectWithLogin, connectWithToken } = await import('../client/remote-login.js');
    const token = await givenToken(this.tokenFile, this.#environment);
    if (token !== undefined) return await connectWithToken(this.#server, token);
    const logins = loginsOf(this.#environment);
    const login = await logins.find(this.#server);
    if (login !== undefined) return await connectWithLogin(login, this.#server, logins, this.#environment.clock);
    throw new UmbraError('UNAUTHENTICATED', `you are not logged in to ${this.url}`, {
      hint: `Run "umbra login ${this.url}", or give an administrator's token with --token-file or $UMBRA_TOKEN.`,
    });
  }
}

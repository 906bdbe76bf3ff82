import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf, systemCode, UmbraError } from '../common/errors.js';
import { parseServerUrl, serverUrl, type HostAndPort } from '../protocol/server-address.js';
import { writeDurably } from '../system/durable-file.js';
import { makeDirectories } from '../system/make-directory.js';

/** What `umbra login` keeps of a server: who the user is there, and who the server is. */
export interface Login {
  readonly url: string;
  /** The administrator's name. */
  readonly name: string;
  /** In PEM: the certificate of the server's authority, the user's certificate and its key. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  readonly issuedMs: number;
  readonly expiresMs: number;
}

const TEXTS = ['url', 'name', 'authority', 'certificate', 'key'] as const;
const TIMES = ['issuedMs', 'expiresMs'] as const;

/** The log-ins of a user, a file for each server that he alone may read. */
export class Logins {
  readonly #directory: string;

  /** @param configuration the user's directory for configurations: `~/.config` */
  constructor(configuration: string) {
    this.#directory = join(configuration, 'umbra', 'servers');
  }

  /** @throws {UmbraError} BAD_ARGUMENT for a file that is damaged or can't be read */
  async find(server: HostAndPort): Promise<Login | undefined> {
    const file = this.#file(server);
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (cause) {
      if (systemCode(cause) === 'ENOENT') return undefined;
      throw new UmbraError('BAD_ARGUMENT', `${file} cannot be read: ${messageOf(cause)}`, { cause });
    }
    return decode(text, file);
  }

  /** @throws {UmbraError} BAD_ARGUMENT */
  async save(login: Login): Promise<void> {
    const file = this.#file(parseServerUrl(login.url));
    try {
      await makeDirectories(dirname(file));
      await writeDurably(file, `${JSON.stringify(login, undefined, 2)}\n`);
    } catch (cause) {
      throw new UmbraError('BAD_ARGUMENT', `${file} cannot be written: ${messageOf(cause)}`, { cause });
    }
  }

  async remove(server: HostAndPort): Promise<void> {
    await rm(this.#file(server), { force: true });
  }

  #file(server: HostAndPort): string {
    // Neither a name nor an address has a slash or an underscore.
    const name = serverUrl(server).replace('https://', '').replaceAll(':', '_').replaceAll(/[[\]]/g, '');
    return join(this.#directory, `${name}.json`);
  }
}

function decode(text: string, file: string): Login {
  try {
    const value: unknown = JSON.parse(text);
    if (isLogin(value)) return value;
  } catch {
    // Said below.
  }
  throw new UmbraError('BAD_ARGUMENT', `${file} is damaged`, { hint: 'Delete it, and run "umbra login" again.' });
}

function isLogin(value: unknown): value is Login {
  if (typeof value !== 'object' || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return (
    TEXTS.every((name) => typeof fields.get(name) === 'string') &&
    TIMES.every((name) => typeof fields.get(name) === 'number')
  );
}

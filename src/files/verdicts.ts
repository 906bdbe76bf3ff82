import { constants } from 'node:fs';
import { open, rename, type FileHandle } from 'node:fs/promises';
import { xxh32 } from '../codec/xxhash.js';
import { makeQueue } from './queue.js';

/** `UMBV`, and the version of the format. */
const HEADER = Buffer.from('UMBV\u0001\0\0\0', 'latin1');
/** Of a digest as much as tells it from all others. */
const KEY_BYTES = 20;
/** Key, verdict, three zeros, xxHash32 of what stands before. */
const ENTRY_BYTES = KEY_BYTES + 4 + 4;
/** More than that are not kept: 1.8 MB of file, some 10 MB of memory while the server runs. */
const MAX_ENTRIES = 65_536;

/**
 * What comparing files showed, so that no two of them are read twice for it: by a digest that names both stretches of
 * bytes, whether they are the same. It lies in a file beside the store's databases. It may be deleted at any time, and
 * what is damaged in it counts as not there; failing to write it is no error.
 */
export class Verdicts {
  readonly #path: string;
  /** In the order of use. */
  readonly #known = new Map<string, boolean>();
  readonly #queue = makeQueue();
  #loading: Promise<void> | undefined;
  #file: FileHandle | undefined;
  #written = 0;

  readonly #most: number;
  readonly #nameOf: (digest: Uint8Array) => Uint8Array;

  /**
   * @param path of the file; made by the first verdict
   * @param most how many are kept
   * @param nameOf what a digest is called in the file: in an encrypted store a name that says nothing of the content
   */
  constructor(path: string, most = MAX_ENTRIES, nameOf: (digest: Uint8Array) => Uint8Array = (digest) => digest) {
    this.#nameOf = nameOf;
    this.#path = path;
    this.#most = most;
  }

  async get(digest: Uint8Array): Promise<boolean | undefined> {
    await (this.#loading ??= this.#load());
    const key = keyOf(this.#nameOf(digest));
    const same = this.#known.get(key);
    if (same === undefined) return undefined;
    this.#known.delete(key);
    this.#known.set(key, same);
    return same;
  }

  async set(digest: Uint8Array, same: boolean): Promise<void> {
    await (this.#loading ??= this.#load());
    const key = keyOf(this.#nameOf(digest));
    this.#known.delete(key);
    this.#known.set(key, same);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.#most) break;
      this.#known.delete(oldest);
    }
    await this.#queue(() => this.#append(entry(key, same)));
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#queue(async () => {
      await this.#file?.close().catch(() => undefined);
      this.#file = undefined;
    });
  }

  async #load(): Promise<void> {
    try {
      const handle = await open(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        const bytes = Buffer.alloc(HEADER.length + this.#most * 2 * ENTRY_BYTES);
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
        this.#parse(bytes.subarray(0, bytesRead));
      } finally {
        await handle.close();
      }
    } catch {
      // Without it, files are compared again.
    }
  }

  #parse(bytes: Buffer): void {
    if (!bytes.subarray(0, HEADER.length).equals(HEADER)) return;
    for (let at = HEADER.length; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
      const end = at + ENTRY_BYTES - 4;
      this.#written++;
      if (xxh32(bytes.subarray(at, end)) !== bytes.readUInt32LE(end)) continue;
      this.#known.set(bytes.toString('latin1', at, at + KEY_BYTES), bytes[at + KEY_BYTES] === 1);
    }
  }

  async #append(bytes: Buffer): Promise<void> {
    try {
      if (this.#written >= 2 * this.#most || (this.#file === undefined && this.#written === 0)) await this.#rewrite();
      else {
        this.#file ??= await open(this.#path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
        await this.#file.write(bytes);
        this.#written++;
      }
    } catch {
      // A verdict that is not kept is found out again.
    }
  }

  /** Write what is known into a new file. */
  async #rewrite(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    const entries = [...this.#known].map(([key, same]) => entry(key, same));
    const next = `${this.#path}.new`;
    const handle = await open(
      next,
      constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
      0o600,
    );
    try {
      await handle.writeFile(Buffer.concat([HEADER, ...entries]));
    } finally {
      await handle.close();
    }
    await rename(next, this.#path);
    this.#written = entries.length;
  }
}

function keyOf(digest: Uint8Array): string {
  return Buffer.from(digest.subarray(0, KEY_BYTES)).toString('latin1');
}

function entry(key: string, same: boolean): Buffer {
  const bytes = Buffer.alloc(ENTRY_BYTES);
  bytes.write(key, 'latin1');
  bytes[KEY_BYTES] = same ? 1 : 0;
  bytes.writeUInt32LE(xxh32(bytes.subarray(0, ENTRY_BYTES - 4)), ENTRY_BYTES - 4);
  return bytes;
}

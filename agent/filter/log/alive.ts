import { open, readFile, type FileHandle } from 'node:fs/promises';
import { xxh64 } from '../../../src/codec/xxhash.js';
import { systemCode } from '../../../src/common/errors.js';

/** Beside the log, written in place about once in a second: what a crash would leave no other trace of. */
export interface Alive {
  /** Of the log that it belongs to, in hexadecimal. */
  readonly generation: string;
  /** This record was durable by then. */
  readonly sequence: number;
  /** Milliseconds since 1970: what is changed much later is not the filter's doing. */
  readonly timeMs: number;
}

/** One sector: written whole or not at all. */
const BYTES = 512;
const TEXT_BYTES = BYTES - 8;

export async function readAlive(path: string): Promise<Alive | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  if (bytes.length !== BYTES || bytes.readBigUInt64LE(TEXT_BYTES) !== xxh64(bytes.subarray(0, TEXT_BYTES))) {
    return undefined;
  }
  // The checksum says that it is ours.
  return JSON.parse(bytes.toString('utf8', 0, TEXT_BYTES)) as Alive;
}

export class AliveFile {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async create(path: string): Promise<AliveFile> {
    return new AliveFile(await open(path, 'w', 0o600));
  }

  /** Durable when this resolves. */
  async write(alive: Alive): Promise<void> {
    const bytes = Buffer.alloc(BYTES, ' ');
    bytes.write(JSON.stringify(alive), 0, TEXT_BYTES, 'utf8');
    bytes.writeBigUInt64LE(xxh64(bytes.subarray(0, TEXT_BYTES)), TEXT_BYTES);
    await this.#handle.write(bytes, 0, BYTES, 0);
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

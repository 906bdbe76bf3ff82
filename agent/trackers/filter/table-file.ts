import { open, rename, type FileHandle } from 'node:fs/promises';
import { xxh64 } from '../../../src/codec/xxhash.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { Qcow2Header } from './qcow2-tables.js';

/**
 * The L2 tables of a qcow2 file as of a checkpoint, kept to compare them with those of the next one. Little-endian:
 * header: 0 magic `UMQT`; 4 version; 8 xxHash64 of what describes the image; then for each table: index (u32), length
 * (u32), xxHash64 of the table with the index as seed, table; at the end the index 2^32 - 1 and the number of tables.
 */
const MAGIC = 0x54514d55;
const VERSION = 1;
const HEAD_BYTES = 16;
const TABLE_HEAD_BYTES = 16;
const END = 2 ** 32 - 1;
const MAX_TABLE_BYTES = 2 ** 21;

/** What must not have changed for the tables to be comparable. */
function identity({ clusterBits, sizeBytes, extended, backing }: Qcow2Header): bigint {
  return xxh64(Buffer.from(JSON.stringify([clusterBits, sizeBytes, extended, backing])));
}

export class TableWriter {
  readonly #path: string;
  readonly #handle: FileHandle;
  #at = 0;
  #tables = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  static async create(path: string, header: Qcow2Header): Promise<TableWriter> {
    const writer = new TableWriter(path, await open(`${path}.new`, 'w', 0o600));
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32LE(MAGIC, 0);
    head.writeUInt32LE(VERSION, 4);
    head.writeBigUInt64LE(identity(header), 8);
    await writer.#write(head);
    return writer;
  }

  async add(index: number, table: Buffer): Promise<void> {
    const head = Buffer.alloc(TABLE_HEAD_BYTES);
    head.writeUInt32LE(index, 0);
    head.writeUInt32LE(table.length, 4);
    head.writeBigUInt64LE(xxh64(table, BigInt(index)), 8);
    this.#tables++;
    await this.#write(Buffer.concat([head, table]));
  }

  async finish(): Promise<void> {
    const end = Buffer.alloc(8);
    end.writeUInt32LE(END, 0);
    end.writeUInt32LE(this.#tables, 4);
    await this.#write(end);
    await rename(`${this.#path}.new`, this.#path);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #write(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      done += (await this.#handle.write(bytes, done, bytes.length - done, this.#at + done)).bytesWritten;
    }
    this.#at += bytes.length;
  }
}

/**
 * The tables that were kept, in order.
 * @throws {UmbraError} IMAGE_FORMAT when they are of an image unlike `header`, or damaged
 */
export async function* readKept(
  path: string,
  header: Qcow2Header,
): AsyncGenerator<{ readonly index: number; readonly table: Buffer }> {
  const handle = await open(path, 'r');
  try {
    let at = HEAD_BYTES;
    const head = await exactly(handle, HEAD_BYTES, 0);
    if (head.readUInt32LE(0) !== MAGIC || head.readUInt32LE(4) !== VERSION) throw unlike('of another version');
    if (head.readBigUInt64LE(8) !== identity(header)) throw unlike('of an image of another size or backing file');
    for (let tables = 0; ; tables++) {
      const start = await exactly(handle, 8, at);
      const [index, length] = [start.readUInt32LE(0), start.readUInt32LE(4)];
      if (index === END && length === tables) return;
      if (length > MAX_TABLE_BYTES) throw unlike('damaged');
      const checksum = (await exactly(handle, 8, at + 8)).readBigUInt64LE(0);
      const table = await exactly(handle, length, at + TABLE_HEAD_BYTES);
      if (xxh64(table, BigInt(index)) !== checksum) throw unlike('damaged');
      yield { index, table };
      at += TABLE_HEAD_BYTES + length;
    }
  } finally {
    await handle.close();
  }
}

async function exactly(handle: FileHandle, length: number, position: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await handle.read(bytes, 0, length, position);
  if (bytesRead < length) throw unlike('damaged');
  return bytes;
}

function unlike(why: string): UmbraError {
  return new UmbraError('IMAGE_FORMAT', `the tables kept of the last checkpoint are ${why}`);
}

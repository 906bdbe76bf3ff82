import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UmbraError } from '../../../src/common/errors.js';
import { syncDirectory } from '../../../src/system/sync-directory.js';
import { encodeHeader, encodeRecord, type LogRecord } from './records.js';

/** The open file of a change log: records are added at its end, and it is replaced as a whole. */
export class LogFile {
  readonly generation: Buffer;
  readonly #path: string;
  #handle: FileHandle | undefined;
  #bytes = 0;
  #sequence: number;
  #durable: number;

  constructor(path: string, generation: Buffer, nextSequence: number) {
    this.#path = path;
    this.generation = generation;
    this.#sequence = nextSequence;
    this.#durable = nextSequence - 1;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Of the last record that is durable. */
  get durableSequence(): number {
    return this.#durable;
  }

  get isOpen(): boolean {
    return this.#handle !== undefined;
  }

  /** Durable when this resolves. */
  async append(records: readonly LogRecord[]): Promise<void> {
    const bytes = this.#encode(records);
    const last = this.#sequence - 1;
    await writeAll(this.#open(), bytes, this.#bytes);
    await this.#open().datasync();
    this.#bytes += bytes.length;
    this.#durable = last;
  }

  /** Put a log with these records alone into the place of the file, durably. */
  async replace(records: readonly LogRecord[]): Promise<void> {
    const header = encodeHeader({ generation: this.generation, firstSequence: this.#sequence });
    const bytes = Buffer.concat([header, this.#encode(records)]);
    const last = this.#sequence - 1;
    const unfinished = `${this.#path}.new`;
    const handle = await open(unfinished, 'w', 0o600);
    try {
      await writeAll(handle, bytes, 0);
      await handle.sync();
      await rename(unfinished, this.#path);
      await syncDirectory(dirname(this.#path));
    } catch (error) {
      await handle.close();
      throw error;
    }
    await this.#handle?.close();
    this.#handle = handle;
    this.#bytes = bytes.length;
    this.#durable = last;
  }

  /** Durably: without it nothing is vouched for. */
  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
    await syncDirectory(dirname(this.#path));
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  #open(): FileHandle {
    if (this.#handle === undefined) throw new UmbraError('INTERNAL', 'the change log is not open');
    return this.#handle;
  }

  #encode(records: readonly LogRecord[]): Buffer {
    return Buffer.concat(records.map((record) => encodeRecord(this.generation, this.#sequence++, record)));
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

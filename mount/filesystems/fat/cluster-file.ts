import { UmbraError } from '../../../src/common/errors.js';
import { type ByteSource, lengthWithin, outside } from '../../blocks/byte-source.js';
import type { Extent, FileReader } from '../filesystem.js';
import type { ByteRun, ByteRuns } from './byte-runs.js';

/** A file whose bytes stand in clusters, from `validBytes` on zeros. */
export class ClusterFile implements FileReader {
  readonly sizeBytes: number;
  readonly #source: ByteSource;
  readonly #runs: ByteRuns;
  readonly #validBytes: number;

  constructor(source: ByteSource, runs: ByteRuns, sizeBytes: number, validBytes = sizeBytes) {
    this.#source = source;
    this.#runs = runs;
    this.sizeBytes = sizeBytes;
    this.#validBytes = Math.min(validBytes, sizeBytes);
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    const valid = lengthWithin(this.#validBytes, length, offset);
    target.fill(0, valid, length);
    if (valid === 0) return length;
    const run = this.#runs.run(offset, valid);
    // The usual read is one of the source.
    if (run instanceof Promise) return run.then(() => this.#readRuns(target, offset, valid, length));
    if (run === undefined || run.length < valid) return this.#readRuns(target, offset, valid, length);
    const read = this.#readRun(target.subarray(0, valid), run);
    return read === undefined ? length : read.then(() => length);
  }

  async #readRuns(target: Uint8Array, offset: number, valid: number, length: number): Promise<number> {
    const reads: Promise<void>[] = [];
    try {
      for (let done = 0; done < valid;) {
        const run = await this.#runAt(offset + done, valid - done);
        const read = this.#readRun(target.subarray(done, done + run.length), run);
        if (read !== undefined) reads.push(read);
        done += run.length;
      }
    } finally {
      // Nothing may write into `target` once this has failed.
      await Promise.allSettled(reads);
    }
    await Promise.all(reads);
    return length;
  }

  #readRun(target: Uint8Array, run: ByteRun): Promise<void> | undefined {
    const check = (read: number): void => {
      if (read < target.length) throw outside(this.#source, run.offset, target.length);
    };
    const read = this.#source.read(target, run.offset);
    if (typeof read !== 'number') return read.then(check);
    check(read);
    return undefined;
  }

  async #runAt(offset: number, most: number): Promise<ByteRun> {
    const run = await this.#runs.run(offset, most);
    if (run !== undefined) return run;
    const what = `a file of ${this.sizeBytes} bytes has clusters for ${offset} only`;
    throw new UmbraError('FILESYSTEM_DAMAGED', what);
  }

  /** Where its bytes stand. */
  async *extents(): AsyncGenerator<Extent> {
    let offset = 0;
    while (offset < this.#validBytes) {
      const { offset: at, length } = await this.#runAt(offset, Math.min(MAX_EXTENT_BYTES, this.#validBytes - offset));
      if (at + length > this.#source.sizeBytes) throw outside(this.#source, at, length);
      yield { kind: 'stored', offset, length, encoded: false, locations: this.#source.locate(at, length) };
      offset += length;
    }
    if (offset < this.sizeBytes) yield { kind: 'hole', offset, length: this.sizeBytes - offset };
  }
}

const MAX_EXTENT_BYTES = 2 ** 40;

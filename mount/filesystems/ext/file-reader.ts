import { type ByteSource, lengthWithin } from '../../blocks/byte-source.js';
import type { FileReader } from '../filesystem.js';
import { damaged } from './errors.js';
import type { BlockMapping, Run } from './block-mapping.js';

/** A file whose content stands in blocks. Each run is read at once, all runs of one call side by side. */
export class MappedFile implements FileReader {
  readonly sizeBytes: number;
  readonly #source: ByteSource;
  readonly #mapping: BlockMapping;
  readonly #blockBytes: number;

  constructor(source: ByteSource, mapping: BlockMapping, blockBytes: number, sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#source = source;
    this.#mapping = mapping;
    this.#blockBytes = blockBytes;
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    if (length === 0) return 0;
    const wanted = length === target.length ? target : target.subarray(0, length);
    const run = this.#mapping.find(Math.floor(offset / this.#blockBytes));
    if (run instanceof Promise || this.#endOf(run) < offset + length) return this.#readRuns(wanted, offset, run);
    return this.#readRun(run, wanted, offset);
  }

  async #readRuns(target: Uint8Array, offset: number, first: Run | Promise<Run>): Promise<number> {
    const reads: Promise<number>[] = [];
    try {
      await this.#startReads(target, offset, await first, reads);
    } finally {
      // Also when something failed: nothing may write to the target after this returned.
      await Promise.allSettled(reads);
    }
    await Promise.all(reads);
    return target.length;
  }

  async #startReads(target: Uint8Array, offset: number, first: Run, reads: Promise<number>[]): Promise<void> {
    for (let done = 0, run = first; ;) {
      const at = offset + done;
      const length = Math.min(target.length - done, this.#endOf(run) - at);
      const read = this.#readRun(run, target.subarray(done, done + length), at);
      if (read instanceof Promise) reads.push(read);
      done += length;
      if (done >= target.length) return;
      run = await this.#mapping.find(Math.floor((offset + done) / this.#blockBytes));
    }
  }

  #endOf(run: Run): number {
    return (run.start + run.length) * this.#blockBytes;
  }

  /** Fill `target` from one run that it lies in. */
  #readRun({ start, physical }: Run, target: Uint8Array, offset: number): number | Promise<number> {
    if (physical === undefined) {
      target.fill(0);
      return target.length;
    }
    const read = this.#source.read(target, physical * this.#blockBytes + offset - start * this.#blockBytes);
    return read instanceof Promise ? read.then((count) => complete(count, target)) : complete(read, target);
  }
}

function complete(count: number, target: Uint8Array): number {
  if (count < target.length) throw damaged('a file has blocks behind the end of the volume');
  return count;
}

/** A file whose content is in memory: inline data. */
export class BytesFile implements FileReader {
  readonly sizeBytes: number;
  readonly #bytes: Uint8Array;

  /** What is missing up to the size are zeros. */
  constructor(bytes: Uint8Array, sizeBytes: number) {
    this.#bytes = bytes;
    this.sizeBytes = sizeBytes;
  }

  read(target: Uint8Array, offset: number): number {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    const part = this.#bytes.subarray(
      Math.min(offset, this.#bytes.length),
      Math.min(offset + length, this.#bytes.length),
    );
    target.set(part);
    target.fill(0, part.length, length);
    return length;
  }
}

import { lengthWithin } from '../../blocks/byte-source.js';
import type { FileReader } from '../filesystem.js';
import type { NtfsCore } from './core.js';
import { decompressLznt1 } from './lznt1.js';
import { Lru } from '../lru.js';
import { damaged } from './parse.js';
import { readFully } from './plain-reader.js';
import { HOLE, type Run } from './runs.js';
import type { Stream } from './stream.js';

/** Windows has units of 16 clusters of at most 4 KiB. */
const MAX_UNIT_BYTES = 1024 * 1024;

/** Units are kept for the next read, which often wants the rest. */
const KEPT_UNITS = 2;

/** The stored clusters of a compression unit: none (zeros), as many as it has (as they are), or fewer (LZNT1). */
export interface CompressionUnit {
  readonly runs: readonly Run[];
  readonly clusters: number;
}

/** The clusters that unit `index` of a compressed stream has on the volume. */
export function unitOf({ runs, unitClusters }: Stream, index: number): CompressionUnit {
  const start = index * unitClusters;
  const end = Math.min(start + unitClusters, runs.clusters);
  const parts: Run[] = [];
  let clusters = 0;
  for (let at = runs.find(start); at < runs.size; at++) {
    const { vcn, length, lcn } = runs.at(at);
    if (vcn >= end) break;
    if (lcn === HOLE) continue;
    const from = Math.max(vcn, start);
    const count = Math.min(vcn + length, end) - from;
    parts.push({ vcn: from, length: count, lcn: lcn + from - vcn });
    clusters += count;
  }
  return { runs: parts, clusters };
}

/** Reads a stream that Windows compressed (LZNT1), unit by unit. */
export class CompressedReader implements FileReader {
  readonly #core: NtfsCore;
  readonly #stream: Stream;
  readonly #unitBytes: number;
  readonly #units = new Lru<number, Uint8Array>(KEPT_UNITS);

  /** @throws {UmbraError} FILESYSTEM_DAMAGED */
  constructor(core: NtfsCore, stream: Stream) {
    this.#core = core;
    this.#stream = stream;
    this.#unitBytes = stream.unitClusters * core.geometry.clusterBytes;
    if (stream.unitClusters < 2 || this.#unitBytes > MAX_UNIT_BYTES) {
      throw damaged(`a compressed stream has units of ${this.#unitBytes} bytes`);
    }
  }

  get sizeBytes(): number {
    return this.#stream.sizeBytes;
  }

  async read(target: Uint8Array, offset: number): Promise<number> {
    const length = lengthWithin(this.#stream.sizeBytes, target.length, offset);
    const stored = lengthWithin(this.#stream.initializedBytes, length, offset);
    target.fill(0, stored, length);
    for (let done = 0; done < stored;) {
      const at = offset + done;
      const index = Math.floor(at / this.#unitBytes);
      const inside = at - index * this.#unitBytes;
      const count = Math.min(this.#unitBytes - inside, stored - done);
      const part = target.subarray(done, done + count);
      if (count === this.#unitBytes) await this.#load(index, part);
      else part.set((await this.#unit(index)).subarray(inside, inside + count));
      done += count;
    }
    return length;
  }

  async #unit(index: number): Promise<Uint8Array> {
    const known = this.#units.get(index);
    if (known !== undefined) return known;
    const unit = new Uint8Array(this.#unitBytes);
    await this.#load(index, unit);
    return this.#units.set(index, unit);
  }

  async #load(index: number, target: Uint8Array): Promise<void> {
    const { runs, clusters } = unitOf(this.#stream, index);
    if (clusters === 0) target.fill(0);
    else if (clusters === this.#stream.unitClusters) await this.#readRuns(runs, target);
    else {
      const input = Buffer.allocUnsafe(clusters * this.#core.geometry.clusterBytes);
      await this.#readRuns(runs, input);
      decompressLznt1(input, target);
    }
  }

  async #readRuns(runs: readonly Run[], target: Uint8Array): Promise<void> {
    const { clusterBytes } = this.#core.geometry;
    let done = 0;
    for (const { lcn, length } of runs) {
      const bytes = length * clusterBytes;
      await readFully(this.#core, target.subarray(done, done + bytes), lcn * clusterBytes);
      done += bytes;
    }
  }
}

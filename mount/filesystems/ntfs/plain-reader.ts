import { lengthWithin, outside } from '../../blocks/byte-source.js';
import type { FileReader } from '../filesystem.js';
import type { NtfsCore } from './core.js';
import { placeOf } from './read-runs.js';
import type { Stream } from './stream.js';

/** Reads a stream whose clusters hold its bytes as they are; what is contiguous on the volume in one read. */
export class PlainReader implements FileReader {
  readonly #core: NtfsCore;
  readonly #stream: Stream;

  constructor(core: NtfsCore, stream: Stream) {
    this.#core = core;
    this.#stream = stream;
  }

  get sizeBytes(): number {
    return this.#stream.sizeBytes;
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    const { sizeBytes, initializedBytes, value, runs } = this.#stream;
    const length = lengthWithin(sizeBytes, target.length, offset);
    const stored = lengthWithin(initializedBytes, length, offset);
    if (stored < length) target.fill(0, stored, length);
    if (stored === 0) return length;
    if (value !== undefined) {
      target.set(value.subarray(offset, offset + stored));
      return length;
    }
    const place = placeOf(this.#core.geometry, runs, offset, stored);
    const read = this.#readPlace(target.subarray(0, place.length), place.offset);
    if (place.length === stored && typeof read === 'number') return length;
    return this.#readRest(target.subarray(0, stored), offset, read).then(() => length);
  }

  async #readRest(target: Uint8Array, offset: number, first: number | Promise<number>): Promise<void> {
    let done = await first;
    while (done < target.length) {
      const place = placeOf(this.#core.geometry, this.#stream.runs, offset + done, target.length - done);
      done += await this.#readPlace(target.subarray(done, done + place.length), place.offset);
    }
  }

  /** Fill `target`; @param place on the volume, negative for a hole */
  #readPlace(target: Uint8Array, place: number): number | Promise<number> {
    if (place < 0) {
      target.fill(0);
      return target.length;
    }
    return readFully(this.#core, target, place);
  }
}

/**
 * Fill `target` with what stands on the volume.
 * @returns the number of bytes, all
 * @throws {UmbraError} FILESYSTEM_DAMAGED when the volume ends before
 */
export function readFully(
  { source }: Pick<NtfsCore, 'source'>,
  target: Uint8Array,
  place: number,
): number | Promise<number> {
  if (lengthWithin(source.sizeBytes, target.length, place) < target.length) throw outside(source, place, target.length);
  return source.read(target, place);
}

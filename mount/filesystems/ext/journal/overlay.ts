import { type ByteSource, lengthWithin, type Location } from '../../../blocks/byte-source.js';
import { damaged } from '../errors.js';
import { ESCAPED_BYTES } from './format.js';
import type { Replacements } from './select.js';

/**
 * A volume as it is after its journal was replayed. Nothing is copied: of each block that the journal replaces it is
 * known where in the journal it stands, 17 bytes for each.
 */
export class JournalOverlay implements ByteSource {
  readonly sizeBytes: number;
  readonly #source: ByteSource;
  readonly #blockBytes: number;
  readonly #replacements: Replacements;

  constructor(source: ByteSource, blockBytes: number, replacements: Replacements) {
    this.sizeBytes = source.sizeBytes;
    this.#source = source;
    this.#blockBytes = blockBytes;
    this.#replacements = replacements;
  }

  /** How many blocks are replaced. */
  get size(): number {
    return this.#replacements.blocks.length;
  }

  /** What it keeps in memory. */
  get memoryBytes(): number {
    return 17 * this.size;
  }

  read(target: Uint8Array, offset: number): number | Promise<number> {
    const length = lengthWithin(this.sizeBytes, target.length, offset);
    if (length === 0) return 0;
    const part = length === target.length ? target : target.subarray(0, length);
    const first = this.#firstFrom(Math.floor(offset / this.#blockBytes));
    const isCovered = (this.#replacements.blocks[first] ?? Infinity) * this.#blockBytes < offset + length;
    if (!isCovered) return this.#source.read(part, offset);
    return this.#readCovered(part, offset, first);
  }

  /** What the journal holds stands where it stands in the journal, but for the bytes that were changed there. */
  locate(offset: number, length: number): readonly Location[] {
    const locations: Location[] = [];
    const end = offset + length;
    let index = this.#firstFrom(Math.floor(offset / this.#blockBytes));
    for (let at = offset; at < end;) {
      const start = (this.#replacements.blocks[index] ?? Infinity) * this.#blockBytes;
      if (start > at) {
        const plain = Math.min(end, start) - at;
        locations.push(...this.#source.locate(at, plain));
        at += plain;
      } else {
        const part = Math.min(end, start + this.#blockBytes) - at;
        locations.push(...this.#locateReplaced(index, at - start, part));
        at += part;
        index++;
      }
    }
    return locations;
  }

  #locateReplaced(index: number, from: number, length: number): Location[] {
    const start = (this.#replacements.positions[index] ?? 0) * this.#blockBytes;
    const isEscaped = this.#replacements.escapes[index] === 1;
    const changed = isEscaped ? Math.max(0, Math.min(length, ESCAPED_BYTES.length - from)) : 0;
    const locations: Location[] = changed > 0 ? [{ offset: 0, length: changed }] : [];
    if (changed < length) locations.push(...this.#source.locate(start + from + changed, length - changed));
    return locations;
  }

  /** The index of the first replaced block that is not before `block`. */
  #firstFrom(block: number): number {
    const { blocks } = this.#replacements;
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((blocks[middle] ?? 0) < block) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async #readCovered(target: Uint8Array, offset: number, first: number): Promise<number> {
    const { blocks } = this.#replacements;
    const end = offset + target.length;
    for (let at = offset, index = first; at < end;) {
      const start = (blocks[index] ?? Infinity) * this.#blockBytes;
      if (start > at) {
        const plain = Math.min(end, start) - at;
        await this.#fill(target.subarray(at - offset, at - offset + plain), at);
        at += plain;
      } else {
        const count = this.#inARow(index, end);
        const part = Math.min(end, start + count * this.#blockBytes) - at;
        await this.#readReplaced(target.subarray(at - offset, at - offset + part), index, at - start);
        at += part;
        index += count;
      }
    }
    return target.length;
  }

  /** How many replaced blocks before `end` follow each other both in the file system and in the journal. */
  #inARow(index: number, end: number): number {
    const { blocks, positions } = this.#replacements;
    const [block = 0, position = 0] = [blocks[index], positions[index]];
    let count = 1;
    while ((block + count) * this.#blockBytes < end) {
      if (blocks[index + count] !== block + count || positions[index + count] !== position + count) break;
      count++;
    }
    return count;
  }

  /** Fill `target` from replaced blocks in a row: from `from` on in the one of that index. */
  async #readReplaced(target: Uint8Array, index: number, from: number): Promise<void> {
    await this.#fill(target, (this.#replacements.positions[index] ?? 0) * this.#blockBytes + from);
    for (let block = 0; block * this.#blockBytes < from + target.length; block++) {
      if (this.#replacements.escapes[index + block] !== 1) continue;
      const at = block * this.#blockBytes - from;
      for (let byte = Math.max(0, -at); byte < ESCAPED_BYTES.length && at + byte < target.length; byte++) {
        target[at + byte] = ESCAPED_BYTES[byte] ?? 0;
      }
    }
  }

  async #fill(target: Uint8Array, offset: number): Promise<void> {
    if ((await this.#source.read(target, offset)) < target.length) throw damaged('the volume ends early');
  }
}

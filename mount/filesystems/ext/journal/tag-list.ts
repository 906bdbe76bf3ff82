import { damaged } from '../errors.js';

/** A log with more blocks than that is not replayed: 28 bytes are kept for each. */
const MAX_TAGS = 4 * 2 ** 20;
const FIRST_CAPACITY = 1024;

/** All blocks that a log holds, in their order in it, in little memory. */
export class TagList {
  length = 0;
  /** The block of the file system that it replaces. */
  blocks = new Float64Array(FIRST_CAPACITY);
  /** Where it stands in the file system, being a block of the journal. */
  positions = new Float64Array(FIRST_CAPACITY);
  sequences = new Uint32Array(FIRST_CAPACITY);
  checksums = new Uint32Array(FIRST_CAPACITY);
  /** 1 for those whose first bytes are replaced. */
  escapes = new Uint8Array(FIRST_CAPACITY);

  /** @throws {UmbraError} FILESYSTEM_DAMAGED when there are too many */
  add(block: number, position: number, sequence: number, checksum: number, isEscaped: boolean): void {
    if (this.length >= MAX_TAGS) throw damaged('the journal holds more blocks than are replayed');
    if (this.length === this.blocks.length) this.#grow();
    const at = this.length++;
    this.blocks[at] = block;
    this.positions[at] = position;
    this.sequences[at] = sequence;
    this.checksums[at] = checksum;
    this.escapes[at] = isEscaped ? 1 : 0;
  }

  #grow(): void {
    const larger = <A extends Float64Array | Uint32Array | Uint8Array>(to: A, from: A): A => {
      to.set(from);
      return to;
    };
    const capacity = 2 * this.blocks.length;
    this.blocks = larger(new Float64Array(capacity), this.blocks);
    this.positions = larger(new Float64Array(capacity), this.positions);
    this.sequences = larger(new Uint32Array(capacity), this.sequences);
    this.checksums = larger(new Uint32Array(capacity), this.checksums);
    this.escapes = larger(new Uint8Array(capacity), this.escapes);
  }
}

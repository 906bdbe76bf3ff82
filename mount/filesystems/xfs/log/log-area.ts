import { type ByteSource, readExactly } from '../../../blocks/byte-source.js';

/** The log counts in blocks of this size, whatever the file system's. */
export const LOG_BLOCK_BYTES = 512;

/** The place of the log on the volume: a ring of blocks of 512 bytes. */
export class LogArea {
  /** How many blocks it has. */
  readonly blocks: number;
  readonly #source: ByteSource;
  readonly #offset: number;

  /** @param offset of its first byte on the volume */
  constructor(source: ByteSource, offset: number, blocks: number) {
    this.blocks = blocks;
    this.#source = source;
    this.#offset = offset;
  }

  /** The number of a block that may lie before the start or behind the end of the ring. */
  wrap(block: number): number {
    return ((block % this.blocks) + this.blocks) % this.blocks;
  }

  /**
   * `count` blocks from `block`, which may lie outside of the ring; not more than the ring has.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when the volume ends before the log, STORE_DAMAGED
   */
  async read(block: number, count: number): Promise<Buffer> {
    const start = this.wrap(block);
    const first = Math.min(count, this.blocks - start);
    const bytes = await this.#bytes(start, first);
    return first === count ? bytes : Buffer.concat([bytes, await this.#bytes(0, count - first)]);
  }

  async #bytes(block: number, count: number): Promise<Buffer> {
    const bytes = await readExactly(this.#source, this.#offset + block * LOG_BLOCK_BYTES, count * LOG_BLOCK_BYTES);
    return bytes;
  }
}

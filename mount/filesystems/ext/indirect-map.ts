import { damaged } from './errors.js';
import type { Inode } from './inode.js';
import type { BlockMapping, Run } from './block-mapping.js';
import { areDataBlocks, metadataBlock, type Volume } from './volume.js';

const DIRECT = 12;
const POINTER_BYTES = 4;
const MAX_LEVEL = 3;

/** The block map of ext2: twelve direct pointers, then one each to a block of pointers, of blocks of those, and so on. */
export class IndirectMap implements BlockMapping {
  readonly #volume: Volume;
  readonly #inode: Inode;
  readonly #perBlock: number;
  /** The blocks of pointers that were used last, by their level. */
  readonly #path: ({ readonly block: number; readonly pointers: Buffer } | undefined)[] = [];

  constructor(volume: Volume, inode: Inode) {
    this.#volume = volume;
    this.#inode = inode;
    this.#perBlock = volume.superblock.blockBytes / POINTER_BYTES;
  }

  find(block: number): Run | Promise<Run> {
    if (block < DIRECT) return this.#run(this.#inode.block.subarray(0, DIRECT * POINTER_BYTES), block, block);
    let rest = block - DIRECT;
    for (let level = 1; level <= MAX_LEVEL; level++) {
      const span = this.#perBlock ** level;
      if (rest < span) {
        const pointer = this.#inode.block.readUInt32LE((DIRECT + level - 1) * POINTER_BYTES);
        return this.#descend(pointer, level, block, rest);
      }
      rest -= span;
    }
    return { start: block, length: Number.MAX_SAFE_INTEGER - block, physical: undefined };
  }

  /** @param rest the block's number among those below `pointer` */
  #descend(pointer: number, level: number, block: number, rest: number): Run | Promise<Run> {
    if (pointer === 0) return { start: block, length: this.#perBlock ** level - rest, physical: undefined };
    const pointers = this.#pointers(pointer, level);
    if (pointers instanceof Promise) return pointers.then((loaded) => this.#step(loaded, level, block, rest));
    return this.#step(pointers, level, block, rest);
  }

  #step(pointers: Buffer, level: number, block: number, rest: number): Run | Promise<Run> {
    if (level === 1) return this.#run(pointers, rest, block);
    const span = this.#perBlock ** (level - 1);
    const index = Math.floor(rest / span);
    return this.#descend(pointers.readUInt32LE(index * POINTER_BYTES), level - 1, block, rest - index * span);
  }

  #pointers(block: number, level: number): Buffer | Promise<Buffer> {
    const known = this.#path[level];
    if (known?.block === block) return known.pointers;
    this.#check(block, 1);
    const bytes = metadataBlock(this.#volume, block);
    const keep = (loaded: Buffer): Buffer => {
      const pointers = Buffer.from(loaded);
      this.#path[level] = { block, pointers };
      return pointers;
    };
    return bytes instanceof Promise ? bytes.then(keep) : keep(bytes);
  }

  /** From the pointer of that index on, as long as they are one run. */
  #run(pointers: Buffer, index: number, block: number): Run {
    const first = pointers.readUInt32LE(index * POINTER_BYTES);
    const step = first === 0 ? 0 : 1;
    const count = pointers.length / POINTER_BYTES;
    let length = 1;
    while (index + length < count) {
      if (pointers.readUInt32LE((index + length) * POINTER_BYTES) !== first + step * length) break;
      length++;
    }
    if (first === 0) return { start: block, length, physical: undefined };
    this.#check(first, length);
    return { start: block, length, physical: first };
  }

  #check(block: number, count: number): void {
    if (areDataBlocks(this.#volume.superblock, block, count)) return;
    throw damaged(`the block map of inode ${this.#inode.number} points outside of the file system`);
  }
}

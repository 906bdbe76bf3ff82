import { Budget } from '../../blocks/budget.js';
import { isIndexNode, isLeafRight } from './directory-block.js';
import { damaged } from './errors.js';
import { FLAG, type Inode, inodeChecksumSeed } from './inode.js';
import { hasInlineData, inlineParts } from './inline-data.js';
import type { BlockMapping, Run } from './block-mapping.js';
import { mappingOf } from './mapping.js';
import { hasMetadataChecksums } from './superblock.js';
import { metadataBlock, type Volume } from './volume.js';

/** The most blocks of one directory that are looked at: 8 GiB of the smallest ones. */
const MAX_BLOCKS = 2 ** 23;
/** Inline data of a directory start with the number of its parent. */
const INLINE_PARENT_BYTES = 4;

/** A block of a directory; none that holds no entries. */
export interface DirectoryBlock {
  readonly number: number;
  readonly bytes: Buffer;
}

/** The blocks of a directory, their checksums checked. */
export class DirectoryBlocks {
  readonly count: number;
  /** Where checksums of its blocks start; undefined if there are none. */
  readonly checksumSeed: number | undefined;
  readonly #volume: Volume;
  readonly #inode: Inode;
  #mapping: BlockMapping | undefined;

  constructor(volume: Volume, inode: Inode) {
    this.#volume = volume;
    this.#inode = inode;
    this.count = Math.ceil(inode.sizeBytes / volume.superblock.blockBytes);
    const hasChecksums = hasMetadataChecksums(volume.superblock);
    this.checksumSeed = hasChecksums ? inodeChecksumSeed(volume.superblock, inode) : undefined;
  }

  /** All blocks, as far as they can be read; `onDamage` hears of the others. */
  async *all(onDamage: (error: unknown) => void): AsyncGenerator<DirectoryBlock> {
    if (hasInlineData(this.#inode)) {
      yield* await this.#inline();
      return;
    }
    const budget = new Budget(MAX_BLOCKS, `blocks of directory ${this.#inode.number}`);
    for (let number = 0; number < this.count;) {
      const run = await this.#run(number);
      const end = Math.min(this.count, run.start + run.length);
      for (; run.physical !== undefined && number < end; number++) {
        budget.spend();
        const block = await this.#checked(number, run.physical + number - run.start, onDamage);
        if (block !== undefined) yield { number, bytes: block };
      }
      number = end;
    }
  }

  /** One block as it is; undefined if the directory has none there. */
  async raw(number: number): Promise<Buffer | undefined> {
    if (number >= this.count) return undefined;
    const { start, physical } = await this.#run(number);
    return physical === undefined ? undefined : await metadataBlock(this.#volume, physical + number - start);
  }

  /**
   * One block of entries, its checksum checked.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when there is none
   */
  async leaf(number: number): Promise<Buffer> {
    const block = await this.raw(number);
    if (block === undefined) throw damaged(`directory ${this.#inode.number} has no block ${number}`);
    this.#check(number, block);
    return block;
  }

  async #inline(): Promise<DirectoryBlock[]> {
    const [inside, rest] = await inlineParts(this.#volume, this.#inode);
    return [
      { number: 0, bytes: inside.subarray(INLINE_PARENT_BYTES) },
      { number: 1, bytes: Buffer.from(rest) },
    ];
  }

  async #checked(number: number, physical: number, onDamage: (error: unknown) => void): Promise<Buffer | undefined> {
    try {
      const found = metadataBlock(this.#volume, physical);
      const block = found instanceof Promise ? await found : found;
      if (this.#isIndex(number, block)) return undefined;
      this.#check(number, block);
      return block;
    } catch (error) {
      onDamage(error);
      return undefined;
    }
  }

  #check(number: number, block: Buffer): void {
    if (this.checksumSeed === undefined || isLeafRight(block, this.checksumSeed)) return;
    throw damaged(`the checksum of block ${number} of directory ${this.#inode.number} is wrong`);
  }

  /** The first block of an indexed directory names only the directory itself and its parent. */
  #isIndex(number: number, block: Buffer): boolean {
    return (this.#inode.flags & FLAG.INDEX) !== 0 && (number === 0 || isIndexNode(block));
  }

  async #run(number: number): Promise<Run> {
    this.#mapping ??= mappingOf(this.#volume, this.#inode);
    return await this.#mapping.find(number);
  }
}

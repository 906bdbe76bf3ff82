import type { MetadataReader } from '../../blocks/block-cache.js';
import { crc16Of, crcOf, crcOfNumber } from './checksum.js';
import { damaged } from './errors.js';
import { INCOMPAT, RO_COMPAT } from './features.js';
import { descriptorBlock, descriptorsPerBlock } from './layout.js';
import { Lru } from '../lru.js';
import { hasMetadataChecksums, type Superblock } from './superblock.js';

const CHECKSUM_AT = 30;
const CACHED_TABLES = 4096;

/** A group descriptor, as far as it is needed. */
export interface GroupDescriptor {
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  /** In clusters. */
  readonly freeClusters: number;
  readonly freeInodes: number;
}

/** The group descriptors. */
export class GroupTable {
  readonly #superblock: Superblock;
  readonly #reader: MetadataReader;
  readonly #copy: number;
  readonly #tables = new Lru<number, number>(CACHED_TABLES);

  /** @param copy the group whose copy of the descriptors is used */
  constructor(superblock: Superblock, reader: MetadataReader, copy: number) {
    this.#superblock = superblock;
    this.#reader = reader;
    this.#copy = copy;
  }

  /** @throws {UmbraError} FILESYSTEM_DAMAGED when it does not stand in the volume */
  descriptor(group: number): GroupDescriptor | Promise<GroupDescriptor> {
    const bytes = this.#bytes(group);
    return bytes instanceof Promise ? bytes.then((loaded) => this.#parse(loaded)) : this.#parse(bytes);
  }

  /** The block where the inodes of a group start; at once if it is known. */
  inodeTable(group: number): number | Promise<number> {
    const known = this.#tables.get(group);
    if (known !== undefined) return known;
    const descriptor = this.descriptor(group);
    if (descriptor instanceof Promise) return descriptor.then((loaded) => this.#keep(group, loaded));
    return this.#keep(group, descriptor);
  }

  /** Whether a descriptor's checksum is right; the kernel only warns of one that is not, when it mounts read-only. */
  async isValid(group: number): Promise<boolean> {
    const bytes = Buffer.from(await this.#bytes(group));
    const expected = checksumOf(this.#superblock, group, bytes);
    if (expected !== undefined && expected !== bytes.readUInt16LE(CHECKSUM_AT)) return false;
    const { inodeTable } = this.#parse(bytes);
    return inodeTable > this.#superblock.firstDataBlock && inodeTable < this.#superblock.blocksCount;
  }

  #keep(group: number, { inodeTable }: GroupDescriptor): number {
    if (inodeTable <= this.#superblock.firstDataBlock || inodeTable >= this.#superblock.blocksCount) {
      throw damaged(`the inode table of group ${group} does not stand in the file system`);
    }
    this.#tables.set(group, inodeTable);
    return inodeTable;
  }

  #bytes(group: number): Buffer | Promise<Buffer> {
    const { blockBytes, descriptorBytes } = this.#superblock;
    const perBlock = descriptorsPerBlock(this.#superblock);
    const index = Math.floor(group / perBlock);
    const block = descriptorBlock(this.#superblock, index, this.#copy);
    return this.#reader.get(block * blockBytes + (group - index * perBlock) * descriptorBytes, descriptorBytes);
  }

  #parse(bytes: Buffer): GroupDescriptor {
    const isWide = this.#superblock.descriptorBytes >= 64;
    const high = (at: number): number => (isWide ? bytes.readUInt32LE(at) * 2 ** 32 : 0);
    const highHalf = (at: number): number => (isWide ? bytes.readUInt16LE(at) * 2 ** 16 : 0);
    return {
      blockBitmap: bytes.readUInt32LE(0) + high(32),
      inodeBitmap: bytes.readUInt32LE(4) + high(36),
      inodeTable: bytes.readUInt32LE(8) + high(40),
      freeClusters: bytes.readUInt16LE(12) + highHalf(44),
      freeInodes: bytes.readUInt16LE(14) + highHalf(46),
    };
  }
}

/** The checksum that a descriptor should have; undefined where there are none. */
function checksumOf(superblock: Superblock, group: number, bytes: Buffer): number | undefined {
  const without = Buffer.from(bytes);
  without.writeUInt16LE(0, CHECKSUM_AT);
  if (hasMetadataChecksums(superblock)) {
    return crcOf(crcOfNumber(superblock.checksumSeed, group), without) & 0xffff;
  }
  if ((superblock.roCompat & RO_COMPAT.GDT_CSUM) === 0) return undefined;
  const number = Buffer.alloc(4);
  number.writeUInt32LE(group);
  const start = crc16Of(crc16Of(crc16Of(0xffff, superblock.uuid), number), bytes.subarray(0, CHECKSUM_AT));
  const isWide = (superblock.incompat & INCOMPAT.BIT64) !== 0;
  return isWide ? crc16Of(start, bytes.subarray(CHECKSUM_AT + 2)) : start;
}

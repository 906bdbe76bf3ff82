import { type ByteSource, lengthWithin } from '../../blocks/byte-source.js';
import { isUmbraError, messageOf } from '../../../src/common/errors.js';
import { damaged } from './errors.js';
import { superblockBlock } from './layout.js';
import { hasMagic, parseSuperblock, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, type Superblock } from './superblock.js';

/** The groups that hold copies, nearest first; of file systems with few copies only the first. */
const COPY_GROUPS = [1, 3, 5, 7, 9] as const;
const BLOCK_BITS = [2, 0, 1, 3, 4, 5, 6] as const;
/** Blocks in a cluster: none, and what mke2fs takes with bigalloc. */
const CLUSTER_BLOCKS = [1, 16] as const;

/** A superblock, and what is wrong with the primary one if it is a copy. */
export interface FoundSuperblock {
  readonly superblock: Superblock;
  /** The group that the copy stands in; 0 for the primary. */
  readonly copy: number;
  readonly problem?: string;
}

/** The primary superblock's bytes; undefined if the volume is too small. */
export async function primaryBytes(source: ByteSource): Promise<Buffer | undefined> {
  return await bytesAt(source, SUPERBLOCK_OFFSET);
}

/**
 * The primary superblock, or if that makes no sense a copy of it.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when there is none that does
 */
export async function findSuperblock(source: ByteSource): Promise<FoundSuperblock> {
  try {
    return { superblock: parseSuperblock((await primaryBytes(source)) ?? Buffer.alloc(0)), copy: 0 };
  } catch (error) {
    if (!isUmbraError(error, 'FILESYSTEM_DAMAGED')) throw error;
    const copy = await findCopy(source);
    if (copy === undefined) throw error;
    return { ...copy, problem: `a copy of the superblock is used: ${messageOf(error)}` };
  }
}

/** The groups that may hold copies of the group descriptors, that of the superblock's own copy first. */
export function copiesOf({ copy }: FoundSuperblock): readonly number[] {
  return [copy, 0, ...COPY_GROUPS];
}

/** A copy of the superblock that makes sense and says that it stands where it does; undefined without one. */
export async function findCopy(source: ByteSource): Promise<FoundSuperblock | undefined> {
  for (const clusterBlocks of CLUSTER_BLOCKS) {
    for (const bits of BLOCK_BITS) {
      for (const group of COPY_GROUPS) {
        const superblock = await copyAt(source, 1024 * 2 ** bits, clusterBlocks, group);
        if (superblock !== undefined) return { superblock, copy: group };
      }
    }
  }
  return undefined;
}

async function copyAt(
  source: ByteSource,
  blockBytes: number,
  clusterBlocks: number,
  group: number,
): Promise<Superblock | undefined> {
  const first = blockBytes === 1024 && clusterBlocks === 1 ? 1 : 0;
  const block = first + group * 8 * blockBytes * clusterBlocks;
  const bytes = await bytesAt(source, block * blockBytes);
  if (bytes === undefined || !hasMagic(bytes)) return undefined;
  try {
    const superblock = parseSuperblock(bytes);
    // The oldest ones do not say where they stand.
    const isThere = [group, 0].includes(superblock.group) && superblockBlock(superblock, group) === block;
    return isThere && superblock.blockBytes === blockBytes ? superblock : undefined;
  } catch {
    return undefined;
  }
}

async function bytesAt(source: ByteSource, offset: number): Promise<Buffer | undefined> {
  if (lengthWithin(source.sizeBytes, SUPERBLOCK_BYTES, offset) < SUPERBLOCK_BYTES) return undefined;
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES);
  if ((await source.read(bytes, offset)) < SUPERBLOCK_BYTES) throw damaged('the volume ends early');
  return bytes;
}

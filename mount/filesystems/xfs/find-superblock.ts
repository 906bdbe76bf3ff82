import { isUmbraError } from '../../../src/common/errors.js';
import type { MetadataReader } from '../../blocks/block-cache.js';
import { type ByteSource, readExactly } from '../../blocks/byte-source.js';
import { likelyGroups } from './likely-groups.js';
import { parseSuperblock, type Superblock } from './superblock.js';

/** The least that a superblock takes. */
const SECTOR_BYTES = 512;

/** The superblock that is used, and whether it is the first: the copies have old counters. */
export interface FoundSuperblock {
  readonly superblock: Superblock;
  readonly isPrimary: boolean;
}

/**
 * The first superblock, or where it is damaged a copy of it.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED
 */
export async function findSuperblock(reader: MetadataReader): Promise<FoundSuperblock> {
  try {
    // Through the cache: what is read next stands in the same unit.
    const sector = await sectorAt(0, async (offset, length) => await reader.get(offset, length));
    return { superblock: parseSuperblock(sector), isPrimary: true };
  } catch (error) {
    if (!isUmbraError(error, 'FILESYSTEM_DAMAGED')) throw error;
    const superblock = await findCopy(reader.source);
    if (superblock === undefined) throw error;
    return { superblock, isPrimary: false };
  }
}

/**
 * A copy of the superblock: each allocation group but the first begins with one. It is looked for in a few hundred places.
 * @returns undefined if there is none, as in a file system of one group
 * @throws {UmbraError} FILESYSTEM_UNREADABLE for a copy that is not of a known kind, STORE_DAMAGED
 */
export async function findCopy(source: ByteSource): Promise<Superblock | undefined> {
  for (const offset of await likelyGroups(source)) {
    const superblock = await copyAt(source, offset);
    // A copy in a file, of another file system, would stand in any place.
    if (superblock === undefined || offset % groupBytes(superblock) !== 0) continue;
    const whole = superblock.rootInode > 0 ? superblock : await copyWithRoot(source, superblock);
    if (whole !== undefined) return whole;
  }
  return undefined;
}

/** mkfs.xfs writes the root inode to the copies in the last group and the one in the middle, and to no others. */
async function copyWithRoot(source: ByteSource, superblock: Superblock): Promise<Superblock | undefined> {
  const { agCount } = superblock;
  for (const group of [agCount - 1, Math.floor((agCount - 1) / 2)]) {
    const copy = await copyAt(source, group * groupBytes(superblock));
    if (copy !== undefined && copy.rootInode > 0 && copy.uuid.equals(superblock.uuid)) return copy;
  }
  return undefined;
}

async function copyAt(source: ByteSource, offset: number): Promise<Superblock | undefined> {
  if (offset <= 0 || offset + SECTOR_BYTES > source.sizeBytes) return undefined;
  try {
    return parseSuperblock(await sectorAt(offset, (at, length) => readExactly(source, at, length)), false);
  } catch (error) {
    if (isUmbraError(error, 'FILESYSTEM_DAMAGED')) return undefined;
    throw error;
  }
}

/** Its sector, of which the checksum is. */
async function sectorAt(offset: number, read: (offset: number, length: number) => Promise<Buffer>): Promise<Buffer> {
  const start = await read(offset, SECTOR_BYTES);
  const sectorBytes = start.readUInt16BE(102);
  return sectorBytes > SECTOR_BYTES ? await read(offset, sectorBytes) : start;
}

function groupBytes({ agBlocks, blockBytes }: Superblock): number {
  return agBlocks * blockBytes;
}

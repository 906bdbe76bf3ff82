import { isUmbraError } from '../../../src/common/errors.js';
import type { MetadataReader } from '../../blocks/block-cache.js';
import { parseSuperblock, type Superblock } from './superblock.js';

/** The superblock that is used, and whether it is the first: the copies have old counters. */
export interface FoundSuperblock {
  readonly superblock: Superblock;
  readonly isPrimary: boolean;
}

/** How many allocation groups mkfs.xfs makes, the usual number first, and the most that one of them can have. */
const USUAL_GROUPS = [4, 2, 8, 16, 32, 64] as const;
const MOST_GROUP_BYTES = 2 ** 40;
const BLOCK_BYTES = [4096, 1024, 2048, 512, 8192, 16_384, 32_768, 65_536] as const;

/**
 * The first superblock, or where it is damaged a copy of it: each allocation group begins with one. It is looked for
 * where the damaged one says that the groups are, and where mkfs.xfs puts them on a volume of that size.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED
 */
export async function findSuperblock(reader: MetadataReader): Promise<FoundSuperblock> {
  const first = await reader.get(0, 512);
  try {
    return { superblock: parseSuperblock(await sectorAt(reader, 0, first)), isPrimary: true };
  } catch (error) {
    if (!isUmbraError(error, 'FILESYSTEM_DAMAGED')) throw error;
    const superblock = await findCopy(reader, first);
    if (superblock === undefined) throw error;
    return { superblock, isPrimary: false };
  }
}

async function findCopy(reader: MetadataReader, damagedOne: Buffer): Promise<Superblock | undefined> {
  for (const offset of likelyGroups(reader.sizeBytes, damagedOne)) {
    if (offset + 512 > reader.sizeBytes) continue;
    try {
      const superblock = parseSuperblock(await sectorAt(reader, offset, await reader.get(offset, 512)), false);
      // A copy in a file, of another file system, would stand in any place.
      if (offset % (superblock.agBlocks * superblock.blockBytes) === 0) return superblock;
    } catch (error) {
      if (!isUmbraError(error, 'FILESYSTEM_DAMAGED')) throw error;
    }
  }
  return undefined;
}

/** Its sector, of which the checksum is. */
async function sectorAt(reader: MetadataReader, offset: number, start: Buffer): Promise<Buffer> {
  return await reader.get(offset, Math.max(512, start.readUInt16BE(102)));
}

function likelyGroups(sizeBytes: number, damagedOne: Buffer): Set<number> {
  const said = damagedOne.readUInt32BE(4) * damagedOne.readUInt32BE(84);
  const offsets = new Set(said > 0 ? [said, 2 * said, 3 * said] : []);
  for (const blockBytes of BLOCK_BYTES) {
    for (const groups of USUAL_GROUPS) offsets.add(Math.ceil(Math.floor(sizeBytes / blockBytes) / groups) * blockBytes);
  }
  return offsets.add(MOST_GROUP_BYTES);
}

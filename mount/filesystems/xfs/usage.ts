import type { FilesystemUsage } from '../filesystem.js';
import { damaged } from './damaged.js';
import type { Metadata } from './metadata.js';

/** `XAGF`, `XAGI`: the headers of an allocation group, in its second and third sector. */
const AGF_MAGIC = 0x58414746;
const AGI_MAGIC = 0x58414749;
/** Blocks of each allocation group that are kept back for its own free space lists (xfs_alloc_set_aside). */
const SET_ASIDE = 8;
/** Of more groups the counters are not added up. */
const MOST_GROUPS = 65_536;

/** How much is there and free. */
export interface Counters {
  readonly inodes: number;
  readonly freeInodes: number;
  readonly freeBlocks: number;
}

/**
 * The counters of the allocation groups, which the log keeps right; those of the superblock are right only after a
 * clean unmount.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function countGroups(metadata: Metadata): Promise<Counters> {
  const { agCount, sectorBytes, inodes, freeInodes, freeBlocks } = metadata.geometry.superblock;
  if (agCount > MOST_GROUPS) return { inodes, freeInodes, freeBlocks };
  const sum = { inodes: 0, freeInodes: 0, freeBlocks: 0 };
  for (let group = 0; group < agCount; group++) {
    const offset = metadata.geometry.groupOffset(group);
    const space = await metadata.bytes(offset + sectorBytes, sectorBytes);
    const inodeHeader = await metadata.bytes(offset + 2 * sectorBytes, sectorBytes);
    if (space.readUInt32BE(0) !== AGF_MAGIC || inodeHeader.readUInt32BE(0) !== AGI_MAGIC) {
      throw damaged(`allocation group ${group} has no headers`);
    }
    sum.freeBlocks += space.readUInt32BE(48) + space.readUInt32BE(52) + space.readUInt32BE(60);
    sum.inodes += inodeHeader.readUInt32BE(16);
    sum.freeInodes += inodeHeader.readUInt32BE(28);
  }
  return sum;
}

/** The figures of statfs(2), as the kernel makes them from the counters (xfs_fs_statfs). */
export function usageOf(metadata: Metadata, counters: Counters): FilesystemUsage {
  const { superblock } = metadata.geometry;
  const { dataBlocks, logStart, logBlocks, agCount, blockBytes, inodesPerBlockLog } = superblock;
  const freeBlocks = Math.max(0, counters.freeBlocks - agCount * SET_ASIDE);
  const couldBe = Math.min(counters.inodes + freeBlocks * 2 ** inodesPerBlockLog, mostInodes(metadata));
  const files = Math.max(couldBe, counters.inodes);
  return {
    blockBytes,
    blocks: dataBlocks - (logStart === 0 ? 0 : logBlocks),
    freeBlocks,
    files,
    freeFiles: Math.max(0, files - (counters.inodes - counters.freeInodes)),
  };
}

/** As many inodes as mkfs' limit in per cent allows, in whole chunks. */
function mostInodes({ geometry: { superblock } }: Metadata): number {
  const { maxInodePercent, dataBlocks, inodesPerBlockLog } = superblock;
  if (maxInodePercent === 0) return Number.MAX_SAFE_INTEGER;
  const chunkBlocks = Math.max(1, 64 / 2 ** inodesPerBlockLog);
  const blocks = Math.floor((dataBlocks * maxInodePercent) / 100);
  return (blocks - (blocks % chunkBlocks)) * 2 ** inodesPerBlockLog;
}

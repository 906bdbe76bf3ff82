import type { FilesystemUsage } from '../filesystem.js';
import { INCOMPAT, RO_COMPAT } from './features.js';
import type { GroupTable } from './group-table.js';
import { descriptorBlocks, hasSuperblock } from './layout.js';
import type { Superblock } from './superblock.js';

/** With more groups (128 TiB of blocks of 4 KiB) the superblock's own sums are taken. */
const MAX_COUNTED_GROUPS = 2 ** 20;
const MAX_KEPT_CLUSTERS = 4096;

/** The figures that statfs(2) shows, as ext4_statfs() makes them: without what the file system takes for itself. */
export async function usageOf(
  superblock: Superblock,
  groups: GroupTable,
  journalBlocks: number,
): Promise<FilesystemUsage> {
  const { blockBytes, blocksCount, inodesCount, reservedBlocks, clusterBlocks } = superblock;
  const { freeBlocks, freeFiles } = await countFree(superblock, groups);
  const kept = reservedBlocks + keptClusters(superblock) * clusterBlocks;
  return {
    blockBytes,
    blocks: Math.max(0, blocksCount - overheadClusters(superblock, journalBlocks) * clusterBlocks),
    freeBlocks,
    availableBlocks: Math.max(0, freeBlocks - kept),
    files: inodesCount,
    freeFiles,
  };
}

async function countFree(superblock: Superblock, groups: GroupTable) {
  const { freeBlocks, freeInodes, clusterBlocks } = superblock;
  if (superblock.groups > MAX_COUNTED_GROUPS) return { freeBlocks, freeFiles: freeInodes };
  let clusters = 0;
  let files = 0;
  for (let group = 0; group < superblock.groups; group++) {
    const found = groups.descriptor(group);
    const descriptor = found instanceof Promise ? await found : found;
    clusters += descriptor.freeClusters;
    files += descriptor.freeInodes;
  }
  return { freeBlocks: clusters * clusterBlocks, freeFiles: files };
}

/** What the kernel keeps back for itself, as ext4_calculate_resv_clusters() has it: a fiftieth, but not much. */
function keptClusters({ incompat, blocksCount, clusterBlocks }: Superblock): number {
  if ((incompat & INCOMPAT.EXTENTS) === 0) return 0;
  return Math.min(MAX_KEPT_CLUSTERS, Math.floor(Math.floor(blocksCount / clusterBlocks) / 50));
}

/** As ext4_calculate_overhead() has it. With clusters, whose use cannot be summed up so, the superblock says it. */
function overheadClusters(superblock: Superblock, journalBlocks: number): number {
  const { roCompat, firstDataBlock, clusterBlocks, overheadClusters: stored, blocksCount } = superblock;
  const isStored = (roCompat & RO_COMPAT.BIGALLOC) !== 0 && stored > 0 && stored <= blocksCount;
  if (isStored) return stored;
  const blocks = firstDataBlock + blocksOfGroups(superblock) + journalBlocks;
  return Math.ceil(blocks / clusterBlocks);
}

/** Superblocks, descriptors, bitmaps and inodes of all groups. */
function blocksOfGroups(superblock: Superblock): number {
  const { groups, inodesPerGroup, inodeBytes, blockBytes, reservedDescriptorBlocks } = superblock;
  const inodeBlocks = Math.ceil((inodesPerGroup * inodeBytes) / blockBytes);
  let blocks = groups * (inodeBlocks + 2);
  for (let group = 0; group < Math.min(groups, MAX_COUNTED_GROUPS); group++) {
    blocks += descriptorBlocks(superblock, group);
    if (hasSuperblock(superblock, group)) blocks += 1 + reservedDescriptorBlocks;
  }
  return blocks;
}

import { COMPAT, INCOMPAT, RO_COMPAT } from './features.js';
import { SUPERBLOCK_OFFSET, type Superblock } from './superblock.js';

/** The first block of a group. */
export function groupStart(superblock: Superblock, group: number): number {
  return superblock.firstDataBlock + group * superblock.blocksPerGroup;
}

/** How many group descriptors a block holds. */
export function descriptorsPerBlock({ blockBytes, descriptorBytes }: Superblock): number {
  return blockBytes / descriptorBytes;
}

/** True if a copy of the superblock stands in the group, as ext4_bg_has_super() has it. */
export function hasSuperblock(superblock: Superblock, group: number): boolean {
  if (group === 0) return true;
  if ((superblock.compat & COMPAT.SPARSE_SUPER2) !== 0) return superblock.backupGroups.includes(group);
  if (group === 1 || (superblock.roCompat & RO_COMPAT.SPARSE_SUPER) === 0) return true;
  return [3, 5, 7].some((base) => isPowerOf(group, base));
}

function isPowerOf(value: number, base: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}

/** How many blocks of group descriptors stand in the group, as ext4_bg_num_gdb() has it. */
export function descriptorBlocks(superblock: Superblock, group: number): number {
  const perBlock = descriptorsPerBlock(superblock);
  const all = Math.ceil(superblock.groups / perBlock);
  if ((superblock.incompat & INCOMPAT.META_BG) === 0) return hasSuperblock(superblock, group) ? all : 0;
  const metaGroup = Math.floor(group / perBlock);
  if (metaGroup < superblock.firstMetaGroup) return hasSuperblock(superblock, group) ? superblock.firstMetaGroup : 0;
  const inMetaGroup = group - metaGroup * perBlock;
  return inMetaGroup <= 1 || inMetaGroup === perBlock - 1 ? 1 : 0;
}

/**
 * Where the block of descriptors of the number `index` stands, in blocks, as descriptor_loc() has it.
 * @param copy the group whose copy is wanted: 0, or that of a backup superblock
 */
export function descriptorBlock(superblock: Superblock, index: number, copy: number): number {
  const inMetaGroups = (superblock.incompat & INCOMPAT.META_BG) !== 0 && index >= superblock.firstMetaGroup;
  if (!inMetaGroups) return superblockBlock(superblock, copy) + 1 + index;
  // A meta group holds its own descriptors, in its first, second and last group.
  const group = index * descriptorsPerBlock(superblock) + (copy === 0 ? 0 : 1);
  if (group === 0) return superblockBlock(superblock, 0) + 1;
  return groupStart(superblock, group) + (hasSuperblock(superblock, group) ? 1 : 0);
}

/** The block that the superblock's copy in a group stands in. */
export function superblockBlock(superblock: Superblock, group: number): number {
  return group === 0 ? Math.floor(SUPERBLOCK_OFFSET / superblock.blockBytes) : groupStart(superblock, group);
}

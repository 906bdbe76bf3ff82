import { isUmbraError } from '../../../src/common/errors.js';
import type { BlockCache } from '../../blocks/block-cache.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import type { FastCommitChanges } from './fast-commit-changes.js';
import { copiesOf, type FoundSuperblock } from './find-superblock.js';
import { GroupTable } from './group-table.js';
import { InodeTable } from './inode-table.js';
import { hasSuperblock } from './layout.js';
import type { Superblock } from './superblock.js';
import type { Volume } from './volume.js';

/** A copy of the group descriptors, and what is wrong with the primary ones if it is another. */
export interface FoundDescriptors {
  readonly copy: number;
  readonly problem?: string;
}

/**
 * The copy of the group descriptors to use: the first whose first descriptor makes sense. (The kernel looks at all of
 * them, and warns only of a wrong checksum when it mounts read-only.)
 */
export async function findDescriptors(
  source: ByteSource,
  cache: BlockCache,
  found: FoundSuperblock,
): Promise<FoundDescriptors> {
  const reader = cache.reader(source);
  for (const copy of copiesOf(found)) {
    if (!hasSuperblock(found.superblock, copy)) continue;
    if (!(await isValid(new GroupTable(found.superblock, reader, copy)))) continue;
    return copy === found.copy
      ? { copy }
      : { copy, problem: 'a copy of the group descriptors is used: they are damaged' };
  }
  return { copy: found.copy };
}

async function isValid(groups: GroupTable): Promise<boolean> {
  try {
    return await groups.isValid(0);
  } catch (error) {
    if (isUmbraError(error, 'FILESYSTEM_DAMAGED')) return false;
    throw error;
  }
}

/** What a volume is put together from. */
export interface VolumeParts {
  readonly source: ByteSource;
  readonly cache: BlockCache;
  readonly superblock: Superblock;
  /** The group whose copy of the group descriptors is used. */
  readonly copy: number;
  readonly changes?: FastCommitChanges;
}

/** Put a volume together; nothing is read. */
export function openVolume({ source, cache, superblock, copy, changes }: VolumeParts): Volume {
  const reader = cache.reader(source);
  const groups = new GroupTable(superblock, reader, copy);
  return { superblock, source, reader, groups, inodes: new InodeTable(superblock, reader, groups, changes), changes };
}

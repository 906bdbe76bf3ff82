import type { BlockCache } from '../../blocks/block-cache.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import type { FastCommitChanges } from './fast-commit-changes.js';
import type { FoundSuperblock } from './find-superblock.js';
import { GroupTable } from './group-table.js';
import { InodeTable } from './inode-table.js';
import type { Superblock } from './superblock.js';
import type { Volume } from './volume.js';

/** What a volume is put together from. */
export interface VolumeParts {
  readonly source: ByteSource;
  readonly cache: BlockCache;
  readonly found: FoundSuperblock;
  /** That of the replayed journal, where it differs. */
  readonly superblock?: Superblock;
  readonly changes?: FastCommitChanges;
}

/** Put a volume together; nothing is read. */
export function openVolume({ source, cache, found, superblock = found.superblock, changes }: VolumeParts): Volume {
  const reader = cache.reader(source);
  const groups = new GroupTable(superblock, reader, found.copy);
  return { superblock, source, reader, groups, inodes: new InodeTable(superblock, reader, groups, changes), changes };
}

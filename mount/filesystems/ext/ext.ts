import type { Filesystem, FilesystemDriver, OpenOptions } from '../filesystem.js';
import { ExtFilesystem } from './ext-filesystem.js';
import { checkFeatures, COMPAT } from './features.js';
import { findSuperblock, primaryBytes } from './find-superblock.js';
import { GroupTable } from './group-table.js';
import { InodeTable } from './inode-table.js';
import { hasMagic } from './superblock.js';

/** Reads ext2, ext3 and ext4. */
export const extDriver: FilesystemDriver = {
  async matches(source) {
    const bytes = await primaryBytes(source);
    return bytes !== undefined && hasMagic(bytes);
  },
  open,
};

async function open({ source, cache }: OpenOptions): Promise<Filesystem> {
  const { superblock, copy, problem } = await findSuperblock(source);
  checkFeatures(superblock);
  const reader = cache.reader(source);
  const groups = new GroupTable(superblock, reader, copy);
  const inodes = new InodeTable(superblock, reader, groups);
  const volume = { superblock, source, reader, groups, inodes, changes: undefined };
  const hasJournal = (superblock.compat & COMPAT.HAS_JOURNAL) !== 0;
  const filesystem = new ExtFilesystem(
    volume,
    { state: hasJournal ? 'clean' : 'none' },
    0,
    problem === undefined ? [] : [problem],
  );
  await filesystem.stat(filesystem.root);
  return filesystem;
}

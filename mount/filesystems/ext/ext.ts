import { isUmbraError } from '../../../src/common/errors.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import type { Filesystem, FilesystemDriver, OpenOptions } from '../filesystem.js';
import { ExtFilesystem } from './ext-filesystem.js';
import { checkFeatures } from './features.js';
import { findCopy, findSuperblock, primaryBytes } from './find-superblock.js';
import { replayJournal } from './journal/replay.js';
import { openVolume } from './open-volume.js';
import { hasMagic, parseSuperblock, type Superblock } from './superblock.js';

/** Reads ext2, ext3 and ext4. */
export const extDriver: FilesystemDriver = {
  async matches(source) {
    const bytes = await primaryBytes(source);
    return bytes !== undefined && hasMagic(bytes);
  },
  open,
};

/**
 * True if there is a copy of a superblock, whatever stands where the primary one should be. Only for volumes that nothing
 * else is found on: what was made over an older file system may have left its copies.
 */
export async function hasSuperblockCopy(source: ByteSource): Promise<boolean> {
  return (await findCopy(source)) !== undefined;
}

async function open({ source, cache }: OpenOptions): Promise<Filesystem> {
  const found = await findSuperblock(source);
  checkFeatures(found.superblock);
  const problems = found.problem === undefined ? [] : [found.problem];
  const { sizeBytes } = source;
  const { blocksCount, blockBytes } = found.superblock;
  if (blocksCount * blockBytes > sizeBytes) {
    problems.push(`the file system has ${blocksCount * blockBytes} bytes, the volume only ${sizeBytes}`);
  }
  const before = openVolume({ source, cache, found });
  const journal = await replayJournal(before);
  problems.push(...journal.problems);
  const { overlay } = journal;
  let volume = before;
  if (overlay !== undefined) {
    cache.drop(before.reader);
    const superblock = found.copy === 0 ? await replayedSuperblock(overlay, found.superblock) : found.superblock;
    volume = openVolume({ source: overlay, cache, found, superblock });
  }
  const filesystem = new ExtFilesystem(volume, journal.state, problems, overlay?.memoryBytes ?? 0);
  await filesystem.stat(filesystem.root);
  return filesystem;
}

/** The superblock as the journal has it: sizes may have changed. */
async function replayedSuperblock(overlay: ByteSource, before: Superblock): Promise<Superblock> {
  try {
    return parseSuperblock((await primaryBytes(overlay)) ?? Buffer.alloc(0));
  } catch (error) {
    if (isUmbraError(error, 'FILESYSTEM_DAMAGED')) return before;
    throw error;
  }
}

import { isUmbraError } from '../../../src/common/errors.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import { OverlaySource } from '../../blocks/overlay.js';
import type { Filesystem, FilesystemDriver, OpenOptions } from '../filesystem.js';
import { findCopy, findSuperblock, type FoundSuperblock } from './find-superblock.js';
import { Geometry } from './geometry.js';
import { recoverLog } from './log/recovery.js';
import { SECTOR_BYTES } from './log/sector-overlay.js';
import { Metadata } from './metadata.js';
import { SUPERBLOCK_MAGIC } from './superblock.js';
import { XfsFilesystem } from './xfs-filesystem.js';

/** Opens XFS of version 4 and 5. */
export const xfsDriver: FilesystemDriver = {
  async matches(source) {
    const magic = Buffer.alloc(4);
    return (await source.read(magic, 0)) === 4 && magic.readUInt32BE(0) === SUPERBLOCK_MAGIC;
  },

  async matchesCopy(source) {
    try {
      return (await findCopy(source)) !== undefined;
    } catch (error) {
      // It is a copy, of what cannot be read: whoever opens it is told.
      if (isUmbraError(error, 'FILESYSTEM_UNREADABLE')) return true;
      throw error;
    }
  },

  async open(options) {
    const found = await findSuperblock(options.cache.reader(options.source));
    const filesystem = await open(options, found);
    // A copy may be what is left of a file system that something else was made over.
    if (!found.isPrimary) await filesystem.stat(filesystem.root);
    return filesystem;
  },
};

async function open({ source, cache }: OpenOptions, found: FoundSuperblock): Promise<Filesystem> {
  const raw = cache.reader(source);
  const recovery = await recoverLog(found, raw);
  const { journal, sectors } = recovery;
  const problems = [...problemsOf(found, source), ...recovery.problems];
  const countersAreRight = journal.state === 'clean' && found.isPrimary;
  const geometry = new Geometry(recovery.superblock);
  if (sectors.size === 0) {
    return new XfsFilesystem({
      metadata: new Metadata(geometry, raw),
      journal,
      problems,
      countersAreRight,
      overlayBytes: 0,
    });
  }
  cache.drop(raw);
  // A sector, and about as much again as a third of it for the map.
  const overlayBytes = sectors.size * SECTOR_BYTES * 1.3;
  const reader = cache.reader(new OverlaySource(source, SECTOR_BYTES, sectors));
  return new XfsFilesystem({
    metadata: new Metadata(geometry, reader),
    journal,
    problems,
    countersAreRight,
    overlayBytes,
  });
}

function problemsOf({ superblock, isPrimary }: FoundSuperblock, source: ByteSource): string[] {
  const problems: string[] = [];
  if (!isPrimary) problems.push('the superblock is damaged: a copy of it is used');
  if (superblock.dataBlocks * superblock.blockBytes > source.sizeBytes) {
    problems.push('the volume ends before the file system does');
  }
  if (superblock.realtimeBlocks > 0) problems.push('the files on the realtime device cannot be read');
  return problems;
}

import { isUmbraError, messageOf } from '../../../src/common/errors.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import type { Filesystem, FilesystemDriver, OpenOptions } from '../filesystem.js';
import { ExtFilesystem } from './ext-filesystem.js';
import { checkFeatures } from './features.js';
import { findCopy, findSuperblock, primaryBytes } from './find-superblock.js';
import { replayFastCommits } from './journal/fast-replay.js';
import { type ReplayedJournal, replayJournal } from './journal/replay.js';
import { findDescriptors, openVolume } from './open-volume.js';
import { hasMagic, parseSuperblock, type Superblock } from './superblock.js';
import type { Volume } from './volume.js';

/** Reads ext2, ext3 and ext4. */
export const extDriver: FilesystemDriver = {
  async matches(source) {
    const bytes = await primaryBytes(source);
    return bytes !== undefined && hasMagic(bytes);
  },
  async matchesCopy(source) {
    return (await findCopy(source)) !== undefined;
  },
  open,
};

async function open(options: OpenOptions): Promise<Filesystem> {
  const { source, cache } = options;
  const found = await findSuperblock(source);
  checkFeatures(found.superblock);
  const descriptors = await findDescriptors(source, cache, found);
  const { copy } = descriptors;
  const before = openVolume({ source, cache, superblock: found.superblock, copy });
  const journal = await replayJournal(before);
  const { volume, problem } = await replayedVolume(options, before, journal, found.copy === 0, copy);
  const problems = [found.problem, descriptors.problem, shortness(source, volume.superblock)];
  const all = [...problems, ...journal.problems, problem].filter((problem) => problem !== undefined);
  const overlayBytes = (journal.overlay?.memoryBytes ?? 0) + (volume.changes?.memoryBytes ?? 0);
  const filesystem = new ExtFilesystem(volume, journal.state, all, overlayBytes);
  await filesystem.stat(filesystem.root);
  return filesystem;
}

/** What is wrong with the size of a volume; undefined if nothing is. */
function shortness({ sizeBytes }: ByteSource, { blocksCount, blockBytes }: Superblock): string | undefined {
  if (blocksCount * blockBytes <= sizeBytes) return undefined;
  return `the file system has ${blocksCount * blockBytes} bytes, the volume only ${sizeBytes}`;
}

/** The volume as it is after the journal was replayed, the fast commits behind its full ones too. */
async function replayedVolume(
  { cache }: OpenOptions,
  before: Volume,
  { overlay, fast }: ReplayedJournal,
  isPrimary: boolean,
  copy: number,
): Promise<{ readonly volume: Volume; readonly problem?: string }> {
  if (overlay === undefined) return { volume: before };
  cache.drop(before.reader);
  const superblock = isPrimary ? await replayedSuperblock(overlay, before.superblock) : before.superblock;
  const volume = openVolume({ source: overlay, cache, superblock, copy });
  if (fast === undefined) return { volume };
  try {
    const changes = await replayFastCommits(volume, fast);
    return {
      volume: changes === undefined ? volume : openVolume({ source: overlay, cache, superblock, copy, changes }),
    };
  } catch (error) {
    if (!isUmbraError(error, 'FILESYSTEM_DAMAGED')) throw error;
    return { volume, problem: `the fast commits of the journal were left out: ${messageOf(error)}` };
  }
}

/**
 * The superblock as the journal has it: sizes and features may have changed.
 * @throws {UmbraError} FILESYSTEM_UNREADABLE for features that are not known
 */
async function replayedSuperblock(overlay: ByteSource, before: Superblock): Promise<Superblock> {
  try {
    const superblock = parseSuperblock((await primaryBytes(overlay)) ?? Buffer.alloc(0));
    checkFeatures(superblock);
    return superblock.blockBytes === before.blockBytes ? superblock : before;
  } catch (error) {
    if (isUmbraError(error, 'FILESYSTEM_DAMAGED')) return before;
    throw error;
  }
}

import { isUmbraError } from '../../../../src/common/errors.js';
import type { BlockMapping } from '../block-mapping.js';
import { damaged } from '../errors.js';
import { FLAG, type Inode } from '../inode.js';
import { mappingOf } from '../mapping.js';
import { wide } from '../numbers.js';
import type { Volume } from '../volume.js';
import { headerOf, KIND } from './format.js';
import { JournalLog } from './log.js';

const BLOCK_BYTES = 60;
const EXTENTS_MAGIC = 0xf30a;

/**
 * The journal's blocks, found through its inode, or through the copy of it in the superblock.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when neither leads to a journal
 */
export async function openLog(volume: Volume): Promise<JournalLog> {
  try {
    return await logOf(volume, await volume.inodes.special(volume.superblock.journalInode));
  } catch (error) {
    const copy = inodeFromBackup(volume);
    if (!isUmbraError(error, 'FILESYSTEM_DAMAGED') || copy === undefined) throw error;
    return await logOf(volume, copy);
  }
}

async function logOf(volume: Volume, inode: Inode): Promise<JournalLog> {
  const { blockBytes } = volume.superblock;
  if (inode.type !== 'file') throw damaged('the inode of the journal is no file');
  const mapping: BlockMapping = mappingOf(volume, inode);
  const blocks = Math.floor(inode.sizeBytes / blockBytes);
  const log = await JournalLog.open(volume.reader, mapping, blockBytes, blocks);
  const kind = blocks > 0 ? headerOf(await log.read(0))?.kind : undefined;
  if (kind !== KIND.SUPERBLOCK_V1 && kind !== KIND.SUPERBLOCK_V2) throw damaged('the journal has no superblock');
  return log;
}

/** The copy has i_block and the two halves of the size, the upper one first. */
function inodeFromBackup({ superblock }: Volume): Inode | undefined {
  const { journalBackup: copy, journalInode: number } = superblock;
  if (copy === undefined) return undefined;
  const block = copy.subarray(0, BLOCK_BYTES);
  return {
    number,
    bytes: Buffer.alloc(0),
    type: 'file',
    permissions: 0,
    nlink: 1,
    uid: 0,
    gid: 0,
    sizeBytes: wide(copy.readUInt32LE(BLOCK_BYTES + 4), copy.readUInt32LE(BLOCK_BYTES), 'the size of the journal'),
    blocks: 0,
    flags: block.readUInt16LE(0) === EXTENTS_MAGIC ? FLAG.EXTENTS : 0,
    generation: 0,
    xattrBlock: 0,
    extraBytes: 0,
    block,
  };
}

import type { MetadataReader } from '../../../blocks/block-cache.js';
import { isUmbraError } from '../../../../src/common/errors.js';
import type { JournalState } from '../../filesystem.js';
import { damaged } from '../damaged.js';
import type { FoundSuperblock } from '../find-superblock.js';
import { Geometry } from '../geometry.js';
import { parseSuperblock, type Superblock } from '../superblock.js';
import { BUFFER_FLAGS, parseBufferItem } from './buffer-item.js';
import { CancelledBuffers } from './cancelled-buffers.js';
import { ITEM } from './item-types.js';
import { LOG_BLOCK_BYTES, LogArea } from './log-area.js';
import { findEnd } from './log-end.js';
import { findHead } from './log-head.js';
import { type LogRange, logRecords } from './log-stream.js';
import { itemType, Replay } from './replay.js';
import { SECTOR_BYTES, SectorOverlay } from './sector-overlay.js';
import { Transactions } from './transactions.js';

/** Features that the log may use: attributes are logged as intents. */
const KNOWN_LOG_FEATURES = 0x1;
/** XFS_MAX_LOG_BLOCKS and XFS_MAX_LOG_BYTES: no kernel mounts what has a larger log. */
const MOST_LOG_BLOCKS = 2 ** 20;
const MOST_LOG_BYTES = 2 ** 31 - 10 * 2 ** 20;

/** What became of the log. */
export interface Recovery {
  readonly journal: JournalState;
  readonly problems: readonly string[];
  /** What the volume would have in place of some of its sectors, by their numbers. */
  readonly sectors: ReadonlyMap<number, Uint8Array>;
  /** As it is after the replay: the file system may have grown. */
  readonly superblock: Superblock;
}

/**
 * Replay the log in memory as the kernel does on the volume when it mounts it after a crash. The log is streamed twice
 * in pieces of 1 MiB; the open transactions (48 MiB at most), the changed sectors (96 MiB at most) and the numbers of
 * cancelled buffers (12 MiB at most) are kept.
 * @returns `ignored` with the reason if the log makes no sense: the volume is shown as it is then
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function recoverLog(found: FoundSuperblock, reader: MetadataReader): Promise<Recovery> {
  const { superblock } = found;
  const { logStart, logFeatures } = superblock;
  if (logStart === 0) return ignored(superblock, 'the log is on another device');
  if ((logFeatures & ~KNOWN_LOG_FEATURES) !== 0) {
    return ignored(superblock, `the log has features that are not known (0x${logFeatures.toString(16)})`);
  }
  try {
    return await recover(found, reader);
  } catch (error) {
    if (!isUmbraError(error, 'FILESYSTEM_DAMAGED')) throw error;
    return ignored(superblock, error.message);
  }
}

function ignored(superblock: Superblock, reason: string): Recovery {
  const problems = [`the log was not replayed: ${reason}`];
  return { journal: { state: 'ignored', reason }, problems, sectors: new Map(), superblock };
}

async function recover(found: FoundSuperblock, reader: MetadataReader): Promise<Recovery> {
  const { superblock } = found;
  const { logStart, logBlocks, blockBytes, uuid, version, lsn } = superblock;
  if (logBlocks === 0) throw damaged('the log has no blocks');
  if (logBlocks > MOST_LOG_BLOCKS || logBlocks * blockBytes > MOST_LOG_BYTES) {
    throw damaged(`the log has ${logBlocks * blockBytes} bytes, which is more than XFS allows`);
  }
  const offset = new Geometry(superblock).offsetOf(logStart, logBlocks);
  const area = new LogArea(reader.source, offset, (logBlocks * blockBytes) / LOG_BLOCK_BYTES);
  const head = await findHead(area, lsn);
  const end = head === undefined ? undefined : await findEnd(area, head);
  if (end === undefined || end.isClean)
    return { journal: { state: 'clean' }, problems: [], sectors: new Map(), superblock };
  const { tailBlock, tailCycle } = end.last;
  if (tailBlock >= area.blocks) throw damaged('the log begins outside of itself');
  return await replay(found, reader, area, {
    tail: tailBlock,
    tailCycle,
    head: end.head,
    uuid,
    checksAll: version === 5,
  });
}

async function replay(
  { superblock, isPrimary }: FoundSuperblock,
  reader: MetadataReader,
  area: LogArea,
  range: LogRange,
): Promise<Recovery> {
  const overlay = new SectorOverlay(reader);
  const second = new Replay(new Geometry(superblock), overlay, await findCancelled(area, range));
  const transactions = new Transactions(true);
  for await (const record of logRecords(area, range)) {
    for (const transaction of transactions.committed(record)) await second.apply(transaction);
  }
  const problems = second.intents.problems();
  const sectors = superblock.sectorBytes / SECTOR_BYTES;
  const grown = isPrimary ? parseSuperblock(await overlay.read(0, sectors)) : superblock;
  return { journal: { state: 'replayed' }, problems, sectors: overlay.sectors, superblock: grown };
}

/** The first pass: which buffers are cancelled somewhere in the log. */
async function findCancelled(area: LogArea, range: LogRange): Promise<CancelledBuffers> {
  const cancelled = new CancelledBuffers();
  const transactions = new Transactions(false);
  for await (const record of logRecords(area, range)) {
    for (const { items } of transactions.committed(record)) {
      for (const item of items) {
        if (itemType(item) !== ITEM.buffer) continue;
        const { flags, block, blocks } = parseBufferItem(item);
        if ((flags & BUFFER_FLAGS.cancel) !== 0) cancelled.add(block, blocks);
      }
    }
  }
  return cancelled;
}

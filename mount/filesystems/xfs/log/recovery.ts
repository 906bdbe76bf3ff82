import type { MetadataReader } from '../../../blocks/block-cache.js';
import { isUmbraError } from '../../../../src/common/errors.js';
import type { JournalState } from '../../filesystem.js';
import { damaged } from '../damaged.js';
import type { Geometry } from '../geometry.js';
import { BUFFER_FLAGS, parseBufferItem } from './buffer-item.js';
import { CancelledBuffers } from './cancelled-buffers.js';
import { ITEM } from './item-types.js';
import { LOG_BLOCK_BYTES, LogArea } from './log-area.js';
import { findEnd } from './log-end.js';
import { findHead } from './log-head.js';
import { type LogRange, logRecords } from './log-stream.js';
import { itemType, Replay } from './replay.js';
import { SectorOverlay } from './sector-overlay.js';
import { Transactions } from './transactions.js';

/** Features that the log may use: attributes are logged as intents. */
const KNOWN_LOG_FEATURES = 0x1;

/** What became of the log. */
export interface Recovery {
  readonly journal: JournalState;
  readonly problems: readonly string[];
  /** What the volume would have in place of some of its sectors, by their numbers. */
  readonly sectors: ReadonlyMap<number, Uint8Array>;
}

/**
 * Replay the log in memory as the kernel does on the volume when it mounts it after a crash. The log is streamed twice
 * in pieces of 1 MiB; one transaction (48 MiB at most) and the changed sectors (96 MiB at most) are kept.
 * @returns `ignored` with the reason if the log makes no sense: the volume is shown as it is then
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function recoverLog(geometry: Geometry, reader: MetadataReader): Promise<Recovery> {
  const { logStart, logFeatures } = geometry.superblock;
  if (logStart === 0) return ignored('the log is on another device');
  if ((logFeatures & ~KNOWN_LOG_FEATURES) !== 0) {
    return ignored(`the log has features that are not known (0x${(logFeatures >>> 0).toString(16)})`);
  }
  try {
    return await recover(geometry, reader);
  } catch (error) {
    if (!isUmbraError(error, 'FILESYSTEM_DAMAGED')) throw error;
    return ignored(error.message);
  }
}

function ignored(reason: string): Recovery {
  return {
    journal: { state: 'ignored', reason },
    problems: [`the log was not replayed: ${reason}`],
    sectors: new Map(),
  };
}

async function recover(geometry: Geometry, reader: MetadataReader): Promise<Recovery> {
  const { logStart, logBlocks, blockBytes, uuid, version, lsn } = geometry.superblock;
  const offset = geometry.offsetOf(logStart, logBlocks);
  const area = new LogArea(reader.source, offset, (logBlocks * blockBytes) / LOG_BLOCK_BYTES);
  if (area.blocks === 0) throw damaged('the log has no blocks');
  const head = await findHead(area, lsn);
  if (head === undefined) return { journal: { state: 'clean' }, problems: [], sectors: new Map() };
  const end = await findEnd(area, head);
  if (end.isClean) return { journal: { state: 'clean' }, problems: [], sectors: new Map() };
  const { tailBlock, tailCycle } = end.last;
  if (tailBlock >= area.blocks) throw damaged('the log begins outside of itself');
  const range = { tail: tailBlock, tailCycle, head: end.head, uuid, checksAll: version === 5 };
  return await replay(geometry, reader, area, range);
}

async function replay(geometry: Geometry, reader: MetadataReader, area: LogArea, range: LogRange): Promise<Recovery> {
  const overlay = new SectorOverlay(reader);
  const second = new Replay(geometry, overlay, await findCancelled(area, range));
  const transactions = new Transactions(true);
  for await (const record of logRecords(area, range)) {
    for (const transaction of transactions.committed(record)) await second.apply(transaction);
  }
  return { journal: { state: 'replayed' }, problems: second.intents.problems(), sectors: overlay.sectors };
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

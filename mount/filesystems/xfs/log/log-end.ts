import { damaged } from '../damaged.js';
import { LOG_BLOCK_BYTES, type LogArea } from './log-area.js';
import type { Head } from './log-head.js';
import { cycleAt, parseHeader, recordBlocks, type RecordHeader, recordHolds } from './log-record.js';

/** XLOG_UNMOUNT_TRANS, and where the flags of a record's first operation stand. */
const UNMOUNT_FLAG = 0x20;
const FLAGS_OFFSET = 9;
/** Where the record of a clean unmount is looked for first: 64 KiB. */
const CLOSE_BLOCKS = 128;
/** How far before the head writes can be missing: XLOG_MAX_ICLOGS buffers of XLOG_MAX_RECORD_BSIZE, 2 MiB. */
const TORN_BLOCKS = 4096;
/** As many records as can be written at a time: the last ones may be torn. */
const TORN_RECORDS = 8;

/** The last whole record. */
export interface LogEnd {
  readonly last: RecordHeader;
  /** The block behind it. */
  readonly head: number;
  /** It is that of an unmount: nothing is to be replayed. */
  readonly isClean: boolean;
}

/**
 * Find the last record that was written whole, with all that goes before it: buffers of the log are written at the same
 * time, and a crash may have taken any of them (xlog_find_head, xlog_verify_head).
 * @throws {UmbraError} FILESYSTEM_DAMAGED when there is none, STORE_DAMAGED
 */
export async function findEnd(area: LogArea, head: Head): Promise<LogEnd> {
  const close = await endIn(area, head, CLOSE_BLOCKS);
  if (close?.isClean === true) return close;
  const end = await endIn(area, head, TORN_BLOCKS);
  if (end === undefined) throw damaged('the log has no record at its head');
  return end;
}

async function endIn(area: LogArea, head: Head, blocks: number): Promise<LogEnd | undefined> {
  const count = Math.min(blocks, head.written);
  const window = await area.read(head.block - count, count);
  const whole = wholeBlocks(area, head, window);
  const records = recordsIn(area, head.block - count, window, whole);
  const first = Math.max(0, records.length - TORN_RECORDS);
  let good = records.slice(0, first);
  for (const record of records.slice(first)) {
    const at = record.index * LOG_BLOCK_BYTES;
    if (!recordHolds(record.header, window.subarray(at, at + recordBlocks(record.header) * LOG_BLOCK_BYTES))) break;
    good = [...good, record];
  }
  const last = good.at(-1);
  if (last === undefined) return undefined;
  const end = last.index + recordBlocks(last.header);
  const flags = window[(last.index + last.header.headerBlocks) * LOG_BLOCK_BYTES + FLAGS_OFFSET] ?? 0;
  const isClean = last.header.operations === 1 && (flags & UNMOUNT_FLAG) !== 0 && end === count;
  return { last: last.header, head: area.wrap(head.block - count + end), isClean };
}

/** How many blocks of the window have the cycle that they should have. */
function wholeBlocks(area: LogArea, head: Head, window: Buffer): number {
  const count = window.length / LOG_BLOCK_BYTES;
  const before = head.block === 0 ? area.blocks : head.block;
  for (let index = 0; index < count; index++) {
    const expected = before - count + index < 0 ? head.cycle - 1 : head.cycle;
    if (cycleAt(window, index * LOG_BLOCK_BYTES) !== expected) return index;
  }
  return count;
}

interface FoundRecord {
  readonly header: RecordHeader;
  /** Of its first block, in the window. */
  readonly index: number;
}

/** The records in the first `whole` blocks, from the first that begins there on, without gaps. */
function recordsIn(area: LogArea, start: number, window: Buffer, whole: number): FoundRecord[] {
  const records: FoundRecord[] = [];
  for (let index = 0; index < whole;) {
    const header = parseHeader(window, index * LOG_BLOCK_BYTES, area.wrap(start + index));
    if (header !== undefined && index + recordBlocks(header) <= whole) {
      records.push({ header, index });
      index += recordBlocks(header);
    } else if (records.length > 0) break;
    else index++;
  }
  return records;
}

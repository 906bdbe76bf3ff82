import { damaged } from '../damaged.js';
import { LOG_BLOCK_BYTES, type LogArea } from './log-area.js';
import { parseHeader, recordBlocks, recordData, type RecordHeader, recordHolds } from './log-record.js';

/** Blocks that are read at once: 1 MiB. A record and its headers have at most 264 KiB. */
const READ_BLOCKS = 2048;

/** A record of the log, and its data as it was before it was stamped; a view, valid until the next record. */
export interface LogRecord {
  readonly header: RecordHeader;
  readonly data: Buffer;
}

/** Which part of the log is replayed. */
export interface LogRange {
  /** The first block. */
  readonly tail: number;
  readonly tailCycle: number;
  /** The first block behind. */
  readonly head: number;
  /** Of the file system; all records must have it. */
  readonly uuid: Buffer;
  /** From version 5 on, a wrong checksum is damage; before, checksums were not always written. */
  readonly checksAll: boolean;
}

/**
 * The records from the tail to the head, in order.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function* logRecords(area: LogArea, range: LogRange): AsyncGenerator<LogRecord> {
  const total = area.wrap(range.head - range.tail);
  let chunk: Buffer = Buffer.alloc(0);
  let chunkStart = 0;
  for (let at = 0; at < total;) {
    const left = (): number => chunkStart + chunk.length / LOG_BLOCK_BYTES - at;
    const fill = async (): Promise<void> => {
      chunk = await area.read(range.tail + at, Math.min(READ_BLOCKS, total - at));
      chunkStart = at;
    };
    if (left() <= 0) await fill();
    const header = headerAt(area, range, at, chunk.subarray((at - chunkStart) * LOG_BLOCK_BYTES));
    const blocks = recordBlocks(header);
    if (at + blocks > total) throw damaged('a record of the log is cut off');
    if (left() < blocks) await fill();
    const start = (at - chunkStart) * LOG_BLOCK_BYTES;
    const record = chunk.subarray(start, start + blocks * LOG_BLOCK_BYTES);
    if (range.checksAll && !recordHolds(header, record)) throw damaged('a record of the log has a wrong checksum');
    yield { header, data: recordData(header, record) };
    at += blocks;
  }
}

function headerAt(area: LogArea, range: LogRange, at: number, bytes: Buffer): RecordHeader {
  const block = area.wrap(range.tail + at);
  const header = parseHeader(bytes, 0, block);
  const cycle = block < range.tail ? range.tailCycle + 1 : range.tailCycle;
  if (header?.cycle !== cycle) throw damaged(`the log has no record at block ${block}`);
  if (!header.isReadable) throw damaged('the log was written by a big-endian machine');
  if (!header.uuid.equals(range.uuid) && header.uuid.some((byte) => byte !== 0)) {
    throw damaged('the log is that of another file system');
  }
  return header;
}

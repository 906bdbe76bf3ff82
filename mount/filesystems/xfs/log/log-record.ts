import { crc32c } from '@node-rs/crc32';
import { damaged } from '../damaged.js';
import { LOG_BLOCK_BYTES } from './log-area.js';

/** The first word of a record's header. Cycle numbers are never this. */
export const RECORD_MAGIC = 0xfeedbabe;
/** One block of header holds the cycle words of so many blocks of data. */
const BLOCKS_PER_HEADER = 64;
/** XLOG_MAX_RECORD_BSIZE, and with it the header blocks that go before. */
const MOST_DATA_BYTES = 256 * 1024;
/** The part of the header that its checksum covers; on 32-bit x86 it was 4 bytes less. */
const HEADER_BYTES = [328, 324] as const;
const EXTENDED_BYTES = 260;
const CRC_OFFSET = 32;
/** Logs of little-endian machines. */
const LITTLE_ENDIAN = 1;

/** A record's header ("XFS Algorithms & Data Structures", log record). */
export interface RecordHeader {
  readonly cycle: number;
  readonly block: number;
  /** Cycle and block in one number: what metadata is stamped with. */
  readonly lsn: bigint;
  readonly tailCycle: number;
  /** The oldest record that is needed after a crash. */
  readonly tailBlock: number;
  readonly operations: number;
  readonly headerBlocks: number;
  readonly dataBytes: number;
  readonly dataBlocks: number;
  readonly crc: number;
  readonly uuid: Buffer;
  /** It was written by a little-endian machine. */
  readonly isReadable: boolean;
}

/** The cycle in which a block was written. */
export function cycleAt(bytes: Buffer, at: number): number {
  const word = bytes.readUInt32BE(at);
  return word === RECORD_MAGIC ? bytes.readUInt32BE(at + 4) : word;
}

/**
 * The header of the record at a block; undefined if none begins there.
 * @param bytes the block at `at`
 */
export function parseHeader(bytes: Buffer, at: number, block: number): RecordHeader | undefined {
  if (bytes.readUInt32BE(at) !== RECORD_MAGIC) return undefined;
  const version = bytes.readUInt32BE(at + 8);
  const dataBytes = bytes.readUInt32BE(at + 12);
  const size = bytes.readUInt32BE(at + 320);
  const lsn = bytes.readBigUInt64BE(at + 16);
  const isWhole = (version === 1 || version === 2) && dataBytes > 0 && dataBytes <= MOST_DATA_BYTES;
  if (!isWhole || size > MOST_DATA_BYTES || Number(lsn & 0xffffffffn) !== block) return undefined;
  return {
    cycle: bytes.readUInt32BE(at + 4),
    block,
    lsn,
    tailCycle: bytes.readUInt32BE(at + 24),
    tailBlock: bytes.readUInt32BE(at + 28),
    operations: bytes.readUInt32BE(at + 40),
    headerBlocks: version === 2 ? Math.max(1, Math.ceil(size / BLOCKS_PER_HEADER / LOG_BLOCK_BYTES)) : 1,
    dataBytes,
    dataBlocks: Math.ceil(dataBytes / LOG_BLOCK_BYTES),
    crc: bytes.readUInt32LE(at + CRC_OFFSET),
    uuid: Buffer.from(bytes.subarray(at + 304, at + 320)),
    isReadable: bytes.readUInt32BE(at + 300) === LITTLE_ENDIAN,
  };
}

/** How many blocks a record takes. */
export function recordBlocks({ headerBlocks, dataBlocks }: RecordHeader): number {
  return headerBlocks + dataBlocks;
}

/** True if a record's checksum is right; mkfs and old kernels write none. */
export function recordHolds(header: RecordHeader, record: Buffer): boolean {
  return header.crc === 0 || HEADER_BYTES.some((length) => recordCrc(header, record, length) === header.crc);
}

/** Of the header, of those of its extensions that the data needs, and of the data as it stands on the volume. */
function recordCrc({ headerBlocks, dataBytes }: RecordHeader, record: Buffer, headerBytes: number): number {
  let crc = crc32c(record.subarray(0, CRC_OFFSET));
  crc = crc32c(new Uint8Array(4), crc);
  crc = crc32c(record.subarray(CRC_OFFSET + 4, headerBytes), crc);
  const needed = Math.ceil(dataBytes / (BLOCKS_PER_HEADER * LOG_BLOCK_BYTES));
  for (let index = 1; index < Math.min(needed, headerBlocks); index++) {
    crc = crc32c(record.subarray(index * LOG_BLOCK_BYTES, index * LOG_BLOCK_BYTES + EXTENDED_BYTES), crc);
  }
  const start = headerBlocks * LOG_BLOCK_BYTES;
  return crc32c(record.subarray(start, start + dataBytes), crc);
}

/**
 * The data of a record, with the words put back that the cycle number stands in the place of; changes `record`.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function recordData(header: RecordHeader, record: Buffer): Buffer {
  const { headerBlocks, dataBlocks, dataBytes } = header;
  if (dataBlocks > headerBlocks * BLOCKS_PER_HEADER)
    throw damaged('a record of the log is longer than its header says');
  const data = record.subarray(headerBlocks * LOG_BLOCK_BYTES);
  for (let block = 0; block < dataBlocks; block++) {
    const inHeader = block % BLOCKS_PER_HEADER;
    const extension = Math.floor(block / BLOCKS_PER_HEADER);
    const at = extension === 0 ? 44 + inHeader * 4 : extension * LOG_BLOCK_BYTES + 4 + inHeader * 4;
    record.copy(data, block * LOG_BLOCK_BYTES, at, at + 4);
  }
  return data.subarray(0, dataBytes);
}

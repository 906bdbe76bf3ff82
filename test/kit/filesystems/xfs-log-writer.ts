import { crc32c } from '@node-rs/crc32';

const BLOCK = 512;

/** An operation of the log: a region of a transaction. */
export interface LogOperation {
  readonly tid: number;
  readonly flags: number;
  readonly data?: Buffer;
}

export interface LogRecordOptions {
  readonly cycle: number;
  readonly block: number;
  readonly tailCycle?: number;
  readonly tailBlock?: number;
  readonly uuid: Buffer;
  readonly version?: 1 | 2;
  /** The size of the buffers of the log: 32 KiB unless it is said. */
  readonly size?: number;
  /** Without one, as mkfs and old kernels write it. */
  readonly noChecksum?: boolean;
}

export const OPERATION = { start: 1, commit: 2, goesOn: 4, continues: 8, unmount: 0x20 } as const;

/** Write records as the kernel does, to make logs that it would hardly ever write. */
export function logRecord(operations: readonly LogOperation[], options: LogRecordOptions): Buffer {
  const { cycle, block, tailCycle = cycle, tailBlock = block, uuid, version = 2, size = 32_768 } = options;
  const payload = Buffer.concat(operations.flatMap(operationBytes));
  const dataBlocks = Math.max(1, Math.ceil(payload.length / BLOCK));
  const headerBlocks = version === 2 ? Math.ceil(size / 32_768) : 1;
  const record = Buffer.alloc((headerBlocks + dataBlocks) * BLOCK);
  payload.copy(record, headerBlocks * BLOCK);
  record.writeUInt32BE(0xfeedbabe, 0);
  record.writeUInt32BE(cycle, 4);
  record.writeUInt32BE(version, 8);
  record.writeUInt32BE(dataBlocks * BLOCK, 12);
  for (const [at, value] of [cycle, block, tailCycle, tailBlock].entries()) record.writeUInt32BE(value, 16 + at * 4);
  record.writeUInt32BE(operations.length, 40);
  record.writeUInt32BE(1, 300);
  uuid.copy(record, 304);
  record.writeUInt32BE(version === 2 ? size : 0, 320);
  stampCycles(record, headerBlocks, cycle);
  if (options.noChecksum !== true) record.writeUInt32LE(checksum(record, headerBlocks, dataBlocks), 32);
  return record;
}

function operationBytes({ tid, flags, data = Buffer.alloc(0) }: LogOperation): Buffer[] {
  const header = Buffer.alloc(12);
  header.writeUInt32BE(tid, 0);
  header.writeUInt32BE(data.length, 4);
  header.writeUInt8(0x69, 8);
  header.writeUInt8(flags, 9);
  return [header, data];
}

function stampCycles(record: Buffer, headerBlocks: number, cycle: number): void {
  for (let index = 1; index < headerBlocks; index++) record.writeUInt32BE(cycle, index * BLOCK);
  for (let at = headerBlocks * BLOCK, index = 0; at < record.length; at += BLOCK, index++) {
    const extension = Math.floor(index / 64);
    record.copy(record, extension === 0 ? 44 + index * 4 : extension * BLOCK + 4 + (index % 64) * 4, at, at + 4);
    record.writeUInt32BE(cycle, at);
  }
}

function checksum(record: Buffer, headerBlocks: number, dataBlocks: number): number {
  let crc = crc32c(record.subarray(0, 328));
  for (let index = 1; index < Math.min(headerBlocks, Math.ceil(dataBlocks / 64)); index++) {
    crc = crc32c(record.subarray(index * BLOCK, index * BLOCK + 260), crc);
  }
  return crc32c(record.subarray(headerBlocks * BLOCK), crc);
}

/** The operations of a committed transaction. */
export function transaction(tid: number, items: readonly (readonly Buffer[])[]): LogOperation[] {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(0x5452414e, 0);
  header.writeUInt32LE(items.length, 12);
  const regions = items.flatMap((item) => item.map((data) => ({ tid, flags: 0, data })));
  return [
    { tid, flags: OPERATION.start },
    { tid, flags: 0, data: header },
    ...regions,
    { tid, flags: OPERATION.commit },
  ];
}

/** An item that replaces whole pieces of 128 bytes of a buffer, from its start on. */
export function bufferItem(block: number, blocks: number, pieces: Buffer, flags = 0): Buffer[] {
  const format = Buffer.alloc(24);
  format.writeUInt16LE(0x123c, 0);
  format.writeUInt16LE(pieces.length === 0 ? 1 : 2, 2);
  format.writeUInt16LE(flags, 4);
  format.writeUInt16LE(blocks, 6);
  format.writeBigInt64LE(BigInt(block), 8);
  format.writeUInt32LE(1, 16);
  format.writeUInt32LE(2 ** (pieces.length / 128) - 1, 20);
  return pieces.length === 0 ? [format] : [format, pieces];
}

/** An item of an inode: its core in the byte order of the log, and forks by the fields that say what they are. */
export function inodeItem(
  offset: number,
  core: Buffer,
  fields = 1,
  forks: readonly Buffer[] = [],
  device = 0,
): Buffer[] {
  const format = Buffer.alloc(56);
  format.writeUInt16LE(0x123b, 0);
  format.writeUInt16LE(2 + forks.length, 2);
  format.writeUInt32LE(fields, 4);
  format.writeUInt32LE(device, 24);
  format.writeBigInt64LE(BigInt(Math.floor(offset / 4096) * 8), 40);
  format.writeInt32LE(8, 48);
  format.writeInt32LE(offset % 4096, 52);
  return [format, core, ...forks];
}

/** An item that is only its type and number: an intent or its end. */
export function intentItem(type: number, id: number): Buffer[] {
  const format = Buffer.alloc(16);
  format.writeUInt16LE(type, 0);
  format.writeUInt16LE(1, 2);
  format.writeBigUInt64LE(BigInt(id), 8);
  return [format];
}

/** New inodes. */
export function inodeCreateItem(fields: {
  readonly group: number;
  readonly block: number;
  readonly inodes: number;
  readonly inodeBytes: number;
  readonly blocks: number;
}): Buffer[] {
  const format = Buffer.alloc(28);
  format.writeUInt16LE(0x123f, 0);
  format.writeUInt16LE(1, 2);
  const { group, block, inodes, inodeBytes, blocks } = fields;
  for (const [at, value] of [group, block, inodes, inodeBytes, blocks, 7].entries())
    format.writeUInt32BE(value, 4 + at * 4);
  return [format];
}

import { damaged, part } from './parse.js';

/** What a reparse point is for ([MS-FSCC] 2.1.2.1). */
export const ReparseTag = {
  MOUNT_POINT: 0xa0000003,
  SYMLINK: 0xa000000c,
  LX_SYMLINK: 0xa000001d,
  AF_UNIX: 0x80000023,
  LX_FIFO: 0x80000024,
  LX_CHR: 0x80000025,
  LX_BLK: 0x80000026,
  WOF: 0x80000017,
  DEDUP: 0x80000013,
  SIS: 0x80000007,
  WIM: 0x80000008,
  HSM: 0xc0000004,
  HSM2: 0x80000006,
} as const;

const HEADER_BYTES = 8;
const GUID_BYTES = 16;
const MICROSOFT = 0x80000000;

/** What a file is besides a file or directory: a link, a placeholder … */
export interface ReparsePoint {
  readonly tag: number;
  readonly data: Buffer;
}

/** @throws {UmbraError} FILESYSTEM_DAMAGED */
export function parseReparsePoint(value: Buffer): ReparsePoint {
  if (value.length < HEADER_BYTES) throw damaged('a reparse point is cut off');
  const tag = value.readUInt32LE(0);
  const start = HEADER_BYTES + (tag >= MICROSOFT ? 0 : GUID_BYTES);
  return { tag, data: part(value, start, value.readUInt16LE(4), 'a reparse point') };
}

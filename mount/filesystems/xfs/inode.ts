import type { FileStat, FileType } from '../filesystem.js';
import { checksumHolds } from './checksum.js';
import { damaged, takeApart } from './damaged.js';
import { type Fork, forkFormat } from './fork.js';
import { isSame, number64 } from './metadata.js';
import type { Superblock } from './superblock.js';

/** `IN` */
export const INODE_MAGIC = 0x494e;
/** Where the forks begin, in inodes of version 3 and before. */
export const CORE_BYTES = { v3: 176, v2: 100 } as const;
export const INODE_CRC_OFFSET = 100;

const REALTIME_FLAG = 0x1;
/** Bits of `di_flags2`. */
export const FLAGS2 = { bigtime: 0x8, nrext64: 0x10 } as const;

const TYPES: Readonly<Record<number, FileType>> = {
  0o01: 'fifo',
  0o02: 'character-device',
  0o04: 'directory',
  0o06: 'block-device',
  0o10: 'file',
  0o12: 'symlink',
  0o14: 'socket',
};

/** An inode taken apart; it keeps a copy of its bytes, not the cache's. */
export interface Inode {
  readonly number: number;
  readonly stat: FileStat;
  readonly sizeBytes: number;
  readonly data: Fork;
  /** Undefined without attributes. */
  readonly attributes: Fork | undefined;
  /** The content is on the realtime device. */
  readonly isRealtime: boolean;
}

/**
 * Take an inode apart and check it as the kernel does ("XFS Algorithms & Data Structures", on-disk inode).
 * @param bytes its whole place on the volume
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseInode(bytes: Buffer, number: number, superblock: Superblock): Inode {
  const what = `inode ${number}`;
  checkIdentity(bytes, number, superblock);
  const own = Buffer.from(bytes);
  return takeApart(what, () => parseChecked(own, number, superblock));
}

function checkIdentity(bytes: Buffer, number: number, superblock: Superblock): void {
  const version = bytes[4] ?? 0;
  const isKnown = superblock.version === 5 ? version === 3 : version === 1 || version === 2;
  if (bytes.readUInt16BE(0) !== INODE_MAGIC || !isKnown) throw damaged(`there is no inode ${number}`);
  if (superblock.version < 5) return;
  if (!checksumHolds(bytes, INODE_CRC_OFFSET)) throw damaged(`inode ${number} has a wrong checksum`);
  if (number64(bytes, 152) !== number || !isSame(bytes, 160, superblock.metaUuid)) {
    throw damaged(`the inode at the place of ${number} is another one`);
  }
}

function parseChecked(bytes: Buffer, number: number, superblock: Superblock): Inode {
  const mode = bytes.readUInt16BE(2);
  const type = TYPES[mode >>> 12];
  if (type === undefined) throw damaged(mode === 0 ? `inode ${number} is not in use` : `inode ${number} has no type`);
  const sizeBytes = number64(bytes, 56);
  if (!Number.isSafeInteger(sizeBytes)) throw damaged(`inode ${number} has an impossible size`);
  const { data, attributes } = forksOf(bytes, number);
  return {
    number,
    stat: statOf(bytes, type, sizeBytes, superblock, { data, attributes }),
    sizeBytes,
    data,
    attributes,
    isRealtime: type === 'file' && (bytes.readUInt16BE(90) & REALTIME_FLAG) !== 0,
  };
}

interface Forks {
  readonly data: Fork;
  readonly attributes: Fork | undefined;
}

function forksOf(bytes: Buffer, number: number): Forks {
  const start = bytes[4] === 3 ? CORE_BYTES.v3 : CORE_BYTES.v2;
  const split = start + (bytes[82] ?? 0) * 8;
  const hasAttributes = split > start;
  if (split >= bytes.length) throw damaged(`inode ${number} has its attributes outside of itself`);
  const counts = extentCounts(bytes);
  const data = forkOf(bytes.subarray(start, hasAttributes ? split : undefined), bytes[5] ?? 0, counts.data, number);
  if (!hasAttributes) return { data, attributes: undefined };
  return { data, attributes: forkOf(bytes.subarray(split), bytes[83] ?? 0, counts.attributes, number) };
}

function forkOf(bytes: Buffer, formatNumber: number, extentCount: number, number: number): Fork {
  const format = forkFormat(formatNumber);
  if (format === undefined) throw damaged(`inode ${number} has a fork of unknown format ${formatNumber}`);
  return { format, bytes, extentCount };
}

/** The numbers of extents stand in one of two layouts (nrext64: large extent counts). */
function extentCounts(bytes: Buffer): { data: number; attributes: number } {
  if (bytes[4] === 3 && (bytes.readUInt32BE(124) & FLAGS2.nrext64) !== 0) {
    return { data: number64(bytes, 24), attributes: bytes.readUInt32BE(76) };
  }
  return { data: bytes.readUInt32BE(76), attributes: bytes.readUInt16BE(80) };
}

function statOf(bytes: Buffer, type: FileType, sizeBytes: number, superblock: Superblock, forks: Forks): FileStat {
  const version = bytes[4] ?? 0;
  const time = timesOf(bytes);
  const stat = {
    type,
    permissions: bytes.readUInt16BE(2) & 0o7777,
    nlink: version === 1 ? bytes.readUInt16BE(6) : bytes.readUInt32BE(16),
    uid: bytes.readUInt32BE(8),
    gid: bytes.readUInt32BE(12),
    sizeBytes,
    blocks: number64(bytes, 64) * (superblock.blockBytes / 512),
    atimeNs: time(32),
    mtimeNs: time(40),
    ctimeNs: time(48),
    ...(version === 3 ? { birthNs: time(144) } : {}),
    mayHaveXattrs: mayHaveXattrs(forks.attributes),
  };
  if (type !== 'character-device' && type !== 'block-device') return stat;
  const device = forks.data.bytes.readUInt32BE(0);
  return { ...stat, device: { major: (device >>> 18) & 0x3fff, minor: device & 0x3ffff } };
}

function mayHaveXattrs(fork: Fork | undefined): boolean {
  if (fork === undefined) return false;
  return fork.format === 'local' ? fork.bytes[2] !== 0 : fork.extentCount !== 0;
}

/** Nanoseconds from 1901 to 1970: the start of the times of bigtime. */
const BIGTIME_EPOCH_NS = 2n ** 31n * 1_000_000_000n;

function timesOf(bytes: Buffer): (at: number) => bigint {
  if (bytes[4] === 3 && (bytes.readUInt32BE(124) & FLAGS2.bigtime) !== 0) {
    return (at) => bytes.readBigUInt64BE(at) - BIGTIME_EPOCH_NS;
  }
  return (at) => BigInt(bytes.readInt32BE(at)) * 1_000_000_000n + BigInt(bytes.readUInt32BE(at + 4));
}

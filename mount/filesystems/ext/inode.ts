import type { FileStat, FileType } from '../filesystem.js';
import { crcOf } from './checksum.js';
import { damaged } from './errors.js';
import { INCOMPAT, RO_COMPAT } from './features.js';
import { wide } from './numbers.js';
import { hasMetadataChecksums, type Superblock } from './superblock.js';
import { timeNs } from './times.js';

/** What every inode has; more follows where inodes are larger. */
export const OLD_INODE_BYTES = 128;

/** Bits of i_flags. */
export const FLAG = {
  ENCRYPT: 0x800,
  INDEX: 0x1000,
  HUGE_FILE: 0x40000,
  EXTENTS: 0x80000,
  EA_INODE: 0x200000,
  INLINE_DATA: 0x10000000,
  CASEFOLD: 0x40000000,
} as const;

const TYPES: Readonly<Record<number, FileType>> = {
  0o010000: 'fifo',
  0o020000: 'character-device',
  0o040000: 'directory',
  0o060000: 'block-device',
  0o100000: 'file',
  0o120000: 'symlink',
  0o140000: 'socket',
};

/** An inode taken apart. */
export interface Inode {
  readonly number: number;
  /** All of it, as on the disk. */
  readonly bytes: Buffer;
  readonly type: FileType;
  readonly permissions: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Units of 512 bytes. */
  readonly blocks: number;
  readonly flags: number;
  readonly generation: number;
  /** The block of extended attributes; 0 without one. */
  readonly xattrBlock: number;
  /** How much of what follows the first 128 bytes is fields; extended attributes come after. */
  readonly extraBytes: number;
  /** i_block: pointers, extents, a link's target or inline data. */
  readonly block: Buffer;
}

/**
 * Take an inode apart. The bytes are kept.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when it makes no sense, is not in use, or its checksum is wrong
 */
export function parseInode(superblock: Superblock, number: number, bytes: Buffer): Inode {
  const mode = bytes.readUInt16LE(0);
  const nlink = bytes.readUInt16LE(26);
  if (mode === 0 || nlink === 0) throw damaged(`inode ${number} is not in use`);
  const extraBytes = extraBytesOf(bytes, number);
  checkChecksum(superblock, number, bytes, extraBytes);
  const type = TYPES[mode & 0o170000];
  if (type === undefined) throw damaged(`inode ${number} has no type`);
  return {
    number,
    bytes,
    type,
    permissions: mode & 0o7777,
    nlink,
    uid: bytes.readUInt16LE(2) + bytes.readUInt16LE(120) * 2 ** 16,
    gid: bytes.readUInt16LE(24) + bytes.readUInt16LE(122) * 2 ** 16,
    sizeBytes: sizeOf(superblock, number, bytes, type),
    blocks: blocksOf(superblock, bytes),
    flags: bytes.readUInt32LE(32),
    generation: bytes.readUInt32LE(100),
    xattrBlock: xattrBlockOf(superblock, bytes),
    extraBytes,
    block: bytes.subarray(40, 100),
  };
}

/** Where checksums of what belongs to an inode start. */
export function inodeChecksumSeed({ checksumSeed }: Superblock, { number, generation }: Inode): number {
  const identity = Buffer.allocUnsafe(8);
  identity.writeUInt32LE(number, 0);
  identity.writeUInt32LE(generation, 4);
  return crcOf(checksumSeed, identity);
}

/** The checksum of an inode: the lower half of it is in every inode, the upper half in large ones. */
export function inodeChecksum({ checksumSeed }: Superblock, number: number, bytes: Buffer, extraBytes: number): number {
  const summed = bytes.length === summedInode.length - 8 ? summedInode : Buffer.allocUnsafe(8 + bytes.length);
  summedInode = summed;
  summed.writeUInt32LE(number, 0);
  summed.writeUInt32LE(bytes.readUInt32LE(100), 4);
  summed.set(bytes, 8);
  summed.writeUInt16LE(0, 8 + 124);
  if (extraBytes >= 4) summed.writeUInt16LE(0, 8 + 130);
  return crcOf(checksumSeed, summed);
}

/** Room for an inode and what is summed before it, used again and again. */
let summedInode = Buffer.alloc(0);

function checkChecksum(superblock: Superblock, number: number, bytes: Buffer, extraBytes: number): void {
  if (!superblock.isLinux || !hasMetadataChecksums(superblock)) return;
  const checksum = inodeChecksum(superblock, number, bytes, extraBytes);
  const isWide = extraBytes >= 4;
  const stored = bytes.readUInt16LE(124) + (isWide ? bytes.readUInt16LE(130) * 2 ** 16 : 0);
  if (stored !== (isWide ? checksum : checksum & 0xffff)) throw damaged(`the checksum of inode ${number} is wrong`);
}

function extraBytesOf(bytes: Buffer, number: number): number {
  if (bytes.length <= OLD_INODE_BYTES) return 0;
  const extraBytes = bytes.readUInt16LE(OLD_INODE_BYTES);
  if (OLD_INODE_BYTES + extraBytes > bytes.length || extraBytes % 4 !== 0) {
    throw damaged(`inode ${number} has more fields than room`);
  }
  return extraBytes;
}

function sizeOf({ incompat }: Superblock, number: number, bytes: Buffer, type: FileType): number {
  const low = bytes.readUInt32LE(4);
  const hasHigh = type === 'file' || (incompat & INCOMPAT.LARGEDIR) !== 0;
  return hasHigh ? wide(low, bytes.readUInt32LE(108), `the size of inode ${number}`) : low;
}

/** As ext4_inode_blocks() has it. */
function blocksOf({ roCompat, blockBytes }: Superblock, bytes: Buffer): number {
  const low = bytes.readUInt32LE(28);
  if ((roCompat & RO_COMPAT.HUGE_FILE) === 0) return low;
  const blocks = bytes.readUInt16LE(116) * 2 ** 32 + low;
  return (bytes.readUInt32LE(32) & FLAG.HUGE_FILE) === 0 ? blocks : (blocks * blockBytes) / 512;
}

function xattrBlockOf({ incompat }: Superblock, bytes: Buffer): number {
  const high = (incompat & INCOMPAT.BIT64) === 0 ? 0 : bytes.readUInt16LE(118);
  return high * 2 ** 32 + bytes.readUInt32LE(104);
}

/** Fields after the first 128 bytes: where they end among the extra ones, and where they stand. */
const EXTRA = {
  ctime: { end: 8, at: 132 },
  mtime: { end: 12, at: 136 },
  atime: { end: 16, at: 140 },
  birthSeconds: { end: 20, at: 144 },
  birth: { end: 24, at: 148 },
} as const;

function extraField({ bytes, extraBytes }: Inode, { end, at }: { end: number; at: number }): number | undefined {
  return extraBytes >= end ? bytes.readUInt32LE(at) : undefined;
}

/** What stat(2) shows of an inode. */
export function statOf(inode: Inode): FileStat {
  const { bytes, type } = inode;
  const stat: Writable<FileStat> = {
    type,
    permissions: inode.permissions,
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    sizeBytes: inode.sizeBytes,
    blocks: inode.blocks + inlineUnits(inode),
    mtimeNs: timeNs(bytes.readInt32LE(16), extraField(inode, EXTRA.mtime)),
    atimeNs: timeNs(bytes.readInt32LE(8), extraField(inode, EXTRA.atime)),
    ctimeNs: timeNs(bytes.readInt32LE(12), extraField(inode, EXTRA.ctime)),
    mayHaveXattrs: inode.xattrBlock !== 0 || hasXattrsInside(inode),
  };
  const birthSeconds = extraField(inode, EXTRA.birthSeconds);
  if (birthSeconds !== undefined) stat.birthNs = timeNs(birthSeconds | 0, extraField(inode, EXTRA.birth));
  if (type === 'block-device' || type === 'character-device') stat.device = deviceOf(inode.block);
  return stat;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A file with its data in the inode takes the room of that data, as ext4_file_getattr() has it. */
function inlineUnits({ type, flags, sizeBytes }: Inode): number {
  return type === 'file' && (flags & FLAG.INLINE_DATA) !== 0 ? Math.ceil(sizeBytes / 512) : 0;
}

const XATTR_MAGIC = 0xea020000;

/** True if extended attributes follow an inode's fields. */
export function hasXattrsInside({ bytes, extraBytes }: Inode): boolean {
  const at = OLD_INODE_BYTES + extraBytes;
  return (
    extraBytes > 0 &&
    at + 8 <= bytes.length &&
    bytes.readUInt32LE(at) === XATTR_MAGIC &&
    bytes.readUInt32LE(at + 4) !== 0
  );
}

/** The old form (8 bits each) stands in the first word, the new one in the second. */
function deviceOf(block: Buffer): { major: number; minor: number } {
  const old = block.readUInt32LE(0);
  if (old !== 0) return { major: (old >>> 8) & 0xff, minor: old & 0xff };
  const device = block.readUInt32LE(4);
  return { major: (device & 0xfff00) >>> 8, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}

import type { FileStat, FileType } from '../filesystem.js';
import { damaged, u64 } from './numbers.js';

const INODE_BYTES = 160;
/** The file's data has no checksums (BTRFS_INODE_NODATASUM). */
const FLAG_NO_CHECKSUMS = 1;
const NS_PER_S = 1_000_000_000n;

const TYPES: Readonly<Record<number, FileType>> = {
  0o010000: 'fifo',
  0o020000: 'character-device',
  0o040000: 'directory',
  0o060000: 'block-device',
  0o100000: 'file',
  0o120000: 'symlink',
  0o140000: 'socket',
};

/** The types of directory entries (BTRFS_FT_…). */
export const ENTRY_TYPES: readonly (FileType | undefined)[] = [
  undefined,
  'file',
  'directory',
  'character-device',
  'block-device',
  'fifo',
  'socket',
  'symlink',
];

export interface Inode {
  readonly stat: FileStat;
  /** False where data was written without checksums. */
  readonly hasChecksums: boolean;
}

/**
 * An inode item.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseInode(bytes: Buffer, sectorBytes: number, mayHaveXattrs: boolean): Inode {
  if (bytes.length < INODE_BYTES) throw damaged('an inode is cut off');
  const mode = bytes.readUInt32LE(52);
  const type = TYPES[mode & 0o170000];
  if (type === undefined) throw damaged(`a file has the mode ${mode.toString(8)}`);
  const stat: FileStat = {
    type,
    permissions: mode & 0o7777,
    nlink: bytes.readUInt32LE(40),
    uid: bytes.readUInt32LE(44),
    gid: bytes.readUInt32LE(48),
    sizeBytes: u64(bytes, 16),
    // The kernel counts whole sectors, although an inline file takes less (btrfs_getattr).
    blocks: Math.ceil(u64(bytes, 24) / sectorBytes) * (sectorBytes / 512),
    mtimeNs: time(bytes, 136),
    atimeNs: time(bytes, 112),
    ctimeNs: time(bytes, 124),
    birthNs: time(bytes, 148),
    mayHaveXattrs,
    ...(type === 'character-device' || type === 'block-device' ? { device: deviceOf(bytes) } : {}),
  };
  return { stat, hasChecksums: (bytes.readUInt32LE(64) & FLAG_NO_CHECKSUMS) === 0 };
}

/** A device's number as the kernel has it in memory: 12 bits and 20 bits. */
function deviceOf(bytes: Buffer): { major: number; minor: number } {
  const number = bytes.readUInt32LE(56);
  return { major: number >>> 20, minor: number & 0xfffff };
}

function time(bytes: Buffer, at: number): bigint {
  return bytes.readBigInt64LE(at) * NS_PER_S + BigInt(bytes.readUInt32LE(at + 8));
}

/** The type that a directory's entry has for a mode. */
export function entryTypeOf(mode: number): number {
  const type = TYPES[mode & 0o170000];
  return type === undefined ? 0 : ENTRY_TYPES.indexOf(type);
}

import { stampChecksum } from '../checksum.js';
import { isSame } from '../metadata.js';
import type { Superblock } from '../superblock.js';

/** Where a structure of version 5 says when it was written last, in which file system, and its checksum. */
interface Stamp {
  readonly lsn: number;
  readonly uuid: number;
  readonly crc: number;
}

const SHORT_TREE: Stamp = { lsn: 24, uuid: 32, crc: 52 };
const LONG_TREE: Stamp = { lsn: 32, uuid: 40, crc: 64 };
const DIRECTORY: Stamp = { lsn: 16, uuid: 24, crc: 4 };
const TREE: Stamp = { lsn: 24, uuid: 32, crc: 12 };

/** By the first word. */
const BY_WORD: ReadonlyMap<string, Stamp> = new Map([
  ...['AB3B', 'AB3C', 'IAB3', 'FIB3', 'RMB3', 'R3FC'].map((magic) => [magic, SHORT_TREE] as const),
  ...['ABTB', 'ABTC', 'IABT', 'FIBT'].map((magic) => [magic, SHORT_TREE] as const),
  ['BMA3', LONG_TREE],
  ['BMAP', LONG_TREE],
  ['XAGF', { lsn: 208, uuid: 64, crc: 216 }],
  ['XAFL', { lsn: 24, uuid: 8, crc: 32 }],
  ['XAGI', { lsn: 320, uuid: 296, crc: 312 }],
  ['XSLM', { lsn: 48, uuid: 16, crc: 12 }],
  ...['XDB3', 'XDD3', 'XDF3'].map((magic) => [magic, DIRECTORY] as const),
  ['XFSB', { lsn: 240, uuid: 32, crc: 224 }],
]);

/** By the word in which trees of directories and attributes have their magic number. */
const BY_TREE_WORD: ReadonlySet<number> = new Set([0x3df1, 0x3dff, 0x3ebe, 0x3bee]);

/**
 * When the metadata of a buffer was written last: it must not go back to what is older. 0 if that cannot be known.
 */
export function writtenAt(bytes: Buffer, superblock: Superblock): bigint {
  const stamp = stampOf(bytes);
  if (stamp === undefined || superblock.version < 5) return 0n;
  const uuid = stamp.uuid === 32 && stamp.crc === 224 ? superblock.uuid : superblock.metaUuid;
  if (!isSame(bytes, stamp.uuid, uuid)) return 0n;
  const lsn = bytes.readBigUInt64BE(stamp.lsn);
  return lsn === 0xffff_ffff_ffff_ffffn ? 0n : lsn;
}

/** Stamp a buffer as the kernel does when it writes it after the replay. */
export function stamp(bytes: Buffer, lsn: bigint, superblock: Superblock): void {
  const place = stampOf(bytes);
  if (place === undefined || superblock.version < 5) return;
  bytes.writeBigUInt64BE(lsn, place.lsn);
  stampChecksum(bytes, place.crc);
}

function stampOf(bytes: Buffer): Stamp | undefined {
  const known = BY_WORD.get(bytes.toString('latin1', 0, 4));
  if (known !== undefined) return known;
  return BY_TREE_WORD.has(bytes.readUInt16BE(8)) ? TREE : undefined;
}

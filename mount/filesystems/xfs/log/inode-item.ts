import { stampChecksum } from '../checksum.js';
import { damaged, takeApart } from '../damaged.js';
import { TREE_HEADER_BYTES } from '../extent-tree.js';
import { CORE_BYTES, FLAGS2, INODE_CRC_OFFSET, INODE_MAGIC } from '../inode.js';
import type { Superblock } from '../superblock.js';
import { number64LittleEndian } from './little-endian.js';
import type { LogItem } from './transactions.js';

/** What was logged of an inode. */
const FIELDS = { data: 0x002, extents: 0x004, root: 0x008, device: 0x010 } as const;
const DATA_FORK = FIELDS.data | FIELDS.extents | FIELDS.root;
/** The same for the attributes. */
const ATTRIBUTE_FIELDS = { data: 0x040, extents: 0x080, root: 0x100 } as const;
const ATTRIBUTE_FORK = ATTRIBUTE_FIELDS.data | ATTRIBUTE_FIELDS.extents | ATTRIBUTE_FIELDS.root;
/** The description as 32-bit machines wrote it. */
const SHORT_FORMAT_BYTES = 52;
/** DI_MAX_FLUSH: the counter goes on from 0. */
const MOST_FLUSHES = 0xffff;

export interface InodeItem {
  readonly fields: number;
  readonly device: number;
  /** The buffer that it stands in, in units of 512 bytes. */
  readonly block: number;
  readonly blocks: number;
  /** Of the inode on the volume. */
  readonly offset: number;
}

/**
 * What an inode's item is about.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseInodeItem({ regions: [format] }: LogItem): InodeItem {
  return takeApart('an inode of the log', () => {
    if (format === undefined) throw damaged('an inode of the log has no description');
    const device = format.length === SHORT_FORMAT_BYTES ? 20 : 24;
    const block = number64LittleEndian(format, device + 16);
    return {
      fields: format.readUInt32LE(4),
      device: format.readUInt32LE(device),
      block,
      blocks: format.readInt32LE(device + 24),
      offset: block * 512 + format.readInt32LE(device + 28),
    };
  });
}

/**
 * Put a logged inode over the one on the volume (xlog_recover_inode_commit_pass2).
 * @param inode its bytes on the volume, changed
 * @param lsn of the transaction
 * @returns false if the volume has a newer one
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function applyInode(item: LogItem, inode: Buffer, lsn: bigint, superblock: Superblock): boolean {
  return takeApart('an inode of the log', () => {
    const [, core, ...forks] = item.regions;
    const { fields, device } = parseInodeItem(item);
    if (core?.readUInt16LE(0) !== INODE_MAGIC) throw damaged('the log has an inode that is none');
    if (inode.readUInt16BE(0) !== INODE_MAGIC) throw damaged('the log changes an inode where none is');
    if (isNewer(inode, core, lsn, superblock)) return false;
    copyCore(core, inode, lsn);
    const start = core[4] === 3 ? CORE_BYTES.v3 : CORE_BYTES.v2;
    const split = start + (core[82] ?? 0) * 8;
    if ((fields & FIELDS.device) !== 0) inode.writeUInt32BE(device, start);
    const header = superblock.version === 5 ? TREE_HEADER_BYTES.v5 : TREE_HEADER_BYTES.v4;
    if ((fields & DATA_FORK) !== 0) {
      const room = inode.subarray(start, split > start ? split : undefined);
      copyFork(forks.shift(), room, (fields & FIELDS.root) === 0 ? undefined : header);
    }
    if ((fields & ATTRIBUTE_FORK) !== 0) {
      const room = inode.subarray(split);
      copyFork(forks.shift(), room, (fields & ATTRIBUTE_FIELDS.root) === 0 ? undefined : header);
    }
    if (core[4] === 3) stampChecksum(inode, INODE_CRC_OFFSET);
    return true;
  });
}

function isNewer(inode: Buffer, core: Buffer, lsn: bigint, superblock: Superblock): boolean {
  if (superblock.version === 5) {
    const written = (inode[4] ?? 0) >= 3 ? inode.readBigUInt64BE(112) : 0n;
    return written !== 0xffff_ffff_ffff_ffffn && written > lsn;
  }
  // Before version 5 a counter of writes says which is newer.
  const [logged, written] = [core.readUInt16LE(30), inode.readUInt16BE(30)];
  return logged < written && !(written === MOST_FLUSHES && logged < MOST_FLUSHES >> 1);
}

/** Sizes of the fields of an inode's core in order: the log has them in the byte order of the machine. */
const CORE_FIELDS: readonly number[] = [2, 2, 1, 1, 2, 4, 4, 4, 2, 2];
const AFTER_TIMES: readonly number[] = [8, 8, 4];
const AFTER_COUNTS: readonly number[] = [1, 1, 4, 2, 2, 4];
const OLD_COUNTS: readonly number[] = [4, 2];

function copyCore(core: Buffer, inode: Buffer, lsn: bigint): void {
  const isV3 = core[4] === 3;
  const flags2 = isV3 ? core.readUInt32LE(120) : 0;
  const time = (flags2 & FLAGS2.bigtime) === 0 ? [4, 4] : [8];
  const before = isV3 ? [8] : [1, 1, 1, 1, 1, 1, 2];
  const fields = [...CORE_FIELDS, ...before, ...time, ...time, ...time, ...AFTER_TIMES, ...OLD_COUNTS, ...AFTER_COUNTS];
  copySwapped(core, inode, 0, fields);
  if (!isV3) {
    // The kernel counts anew.
    inode.writeUInt16BE(0, 30);
    return;
  }
  copySwapped(core, inode, 104, [8, 8, 8, 4]);
  inode.writeBigUInt64BE(lsn, 112);
  inode.fill(0, 132, 144);
  copySwapped(core, inode, 144, [...time, 8]);
  core.copy(inode, 160, 160, 176);
}

function copySwapped(from: Buffer, to: Buffer, start: number, sizes: readonly number[]): void {
  let at = start;
  for (const size of sizes) {
    for (let index = 0; index < size; index++) to[at + index] = from.readUInt8(at + size - 1 - index);
    at += size;
  }
}

/** @param rootHeader the size of the header of a tree's root in memory; undefined for what is no tree */
function copyFork(logged: Buffer | undefined, room: Buffer, rootHeader: number | undefined): void {
  if (logged === undefined) throw damaged('an inode of the log has no fork');
  if (rootHeader === undefined) {
    if (logged.length > room.length) throw damaged('a fork of the log is larger than the inode');
    logged.copy(room);
    return;
  }
  copyRoot(logged, room, rootHeader);
}

/** In memory a root looks like any block of the tree, in the inode it has a smaller header and its own limits. */
function copyRoot(logged: Buffer, room: Buffer, headerBytes: number): void {
  const count = logged.readUInt16BE(6);
  const loggedMost = Math.floor((logged.length - headerBytes) / 16);
  const most = Math.floor((room.length - 4) / 16);
  if (count > loggedMost || count > most) throw damaged('the root of a tree in the log is too large');
  logged.copy(room, 0, 4, 8);
  logged.copy(room, 4, headerBytes, headerBytes + count * 8);
  const pointers = headerBytes + loggedMost * 8;
  logged.copy(room, 4 + most * 8, pointers, pointers + count * 8);
}

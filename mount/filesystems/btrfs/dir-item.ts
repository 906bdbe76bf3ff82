import { type Key, readKey } from './key.js';
import { KeyType } from './layout.js';
import { damaged } from './numbers.js';

const HEAD_BYTES = 30;

/** One entry of a directory item: of a directory, or an extended attribute. */
export interface DirEntry {
  /** What the name leads to: an inode of the same subvolume, or another subvolume. */
  readonly location: Key;
  readonly type: number;
  readonly name: Buffer;
  /** The value of an attribute. */
  readonly data: Buffer;
  /** All of the entry, as it stands. */
  readonly raw: Buffer;
}

/**
 * The entries of one item: several, where names have the same hash.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseDirItem(bytes: Buffer): DirEntry[] {
  const entries: DirEntry[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < HEAD_BYTES) throw damaged('a directory entry is cut off');
    const nameEnd = at + HEAD_BYTES + bytes.readUInt16LE(at + 27);
    const end = nameEnd + bytes.readUInt16LE(at + 25);
    if (end > bytes.length) throw damaged('a directory entry is cut off');
    entries.push({
      location: readKey(bytes, at),
      type: bytes[at + 29] ?? 0,
      name: bytes.subarray(at + HEAD_BYTES, nameEnd),
      data: bytes.subarray(nameEnd, end),
      raw: bytes.subarray(at, end),
    });
    at = end;
  }
  return entries;
}

/** An entry of a directory that leads to an inode, as it is stored; the transaction, which nothing reads, left at 0. */
export function makeDirEntry(inode: number, type: number, name: Buffer): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES + name.length);
  bytes.writeBigInt64LE(BigInt(inode), 0);
  bytes.writeUInt8(KeyType.inodeItem, 8);
  bytes.writeUInt16LE(name.length, 27);
  bytes.writeUInt8(type, 29);
  name.copy(bytes, HEAD_BYTES);
  return bytes;
}

import { type Key, readKey } from './key.js';
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
    });
    at = end;
  }
  return entries;
}

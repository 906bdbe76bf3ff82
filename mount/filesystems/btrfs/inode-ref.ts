import { crc32c } from '@node-rs/crc32';
import { type Key } from './key.js';
import { KeyType } from './layout.js';
import { damaged, id64 } from './numbers.js';

const REF_BYTES = 10;
const EXTREF_BYTES = 18;

/** A name of an inode, as the inode itself knows it. */
export interface InodeRef {
  readonly parent: number;
  /** The place in the directory. */
  readonly index: number;
  readonly name: Buffer;
  /** All of it, as it stands. */
  readonly raw: Buffer;
}

/**
 * The names in an item of either kind: all in one directory, or, in an extended one, with their directories.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseInodeRefs(key: Key, bytes: Buffer): InodeRef[] {
  const isExtended = key.type === KeyType.inodeExtref;
  const head = isExtended ? EXTREF_BYTES : REF_BYTES;
  const refs: InodeRef[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < head) throw damaged('a name of an inode is cut off');
    const end = at + head + bytes.readUInt16LE(at + head - 2);
    if (end > bytes.length) throw damaged('a name of an inode is cut off');
    refs.push({
      parent: isExtended ? id64(bytes, at) : key.offset,
      index: id64(bytes, at + head - 10),
      name: bytes.subarray(at + head, end),
      raw: bytes.subarray(at, end),
    });
    at = end;
  }
  return refs;
}

/** A name of an inode in a directory, as it is stored. */
export function makeInodeRef(index: number, name: Buffer): Buffer {
  const bytes = Buffer.alloc(REF_BYTES + name.length);
  bytes.writeBigInt64LE(BigInt(index), 0);
  bytes.writeUInt16LE(name.length, 8);
  name.copy(bytes, REF_BYTES);
  return bytes;
}

/** The key of the item that has an inode's name in a directory, if it is an extended one. */
export function extrefKey(inode: number, parent: number, name: Uint8Array): Key {
  const hash = ~crc32c(name, ~parent >>> 0) >>> 0;
  return { objectId: inode, type: KeyType.inodeExtref, offset: hash };
}

/** The key of the item that has an inode's names in a directory. */
export function refKey(inode: number, parent: number): Key {
  return { objectId: inode, type: KeyType.inodeRef, offset: parent };
}

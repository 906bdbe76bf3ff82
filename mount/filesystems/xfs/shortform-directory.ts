import { damaged, takeApart } from './damaged.js';
import { entryType, type RawEntry } from './directory-entry.js';
import { number64 } from './metadata.js';

/**
 * The entries of a directory that stands in its inode ("XFS Algorithms & Data Structures", shortform directories); `.`
 * and `..` are not among them.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function shortformEntries(fork: Buffer, sizeBytes: number, hasFtype: boolean): RawEntry[] {
  if (sizeBytes > fork.length) throw damaged('a directory is larger than its inode');
  return takeApart('a directory in an inode', () => parse(fork.subarray(0, sizeBytes), hasFtype));
}

function parse(bytes: Buffer, hasFtype: boolean): RawEntry[] {
  // If any inode number needs eight bytes, all have them.
  const inodeBytes = bytes.readUInt8(1) === 0 ? 4 : 8;
  const entries: RawEntry[] = [];
  let at = 2 + inodeBytes;
  for (let left = bytes.readUInt8(0); left > 0; left--) {
    const nameEnd = at + 3 + bytes.readUInt8(at);
    const name = bytes.subarray(at + 3, nameEnd);
    if (name.length === 0) throw damaged('a directory has an entry without a name');
    const inodeAt = nameEnd + (hasFtype ? 1 : 0);
    const type = hasFtype ? entryType(bytes.readUInt8(nameEnd)) : undefined;
    const inode = inodeBytes === 4 ? bytes.readUInt32BE(inodeAt) : number64(bytes, inodeAt);
    entries.push({ name, inode, type });
    at = inodeAt + inodeBytes;
  }
  return entries;
}

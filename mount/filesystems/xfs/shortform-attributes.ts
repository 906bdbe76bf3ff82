import type { RawAttribute } from './attribute-entry.js';
import { takeApart } from './damaged.js';

/**
 * The attributes that stand in the inode ("XFS Algorithms & Data Structures", shortform attributes).
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function shortformAttributes(fork: Buffer): RawAttribute[] {
  return takeApart('the attributes in an inode', () => {
    const bytes = fork.subarray(0, fork.readUInt16BE(0));
    const attributes: RawAttribute[] = [];
    let at = 4;
    for (let left = fork.readUInt8(2); left > 0; left--) {
      const nameEnd = at + 3 + bytes.readUInt8(at);
      const end = nameEnd + bytes.readUInt8(at + 1);
      const flags = bytes.readUInt8(at + 2);
      if (end > bytes.length) throw new RangeError('an attribute is cut off');
      attributes.push({ flags, name: bytes.subarray(at + 3, nameEnd), value: bytes.subarray(nameEnd, end) });
      at = end;
    }
    return attributes;
  });
}

import { ATTRIBUTE_FLAGS, type RawAttribute } from './attribute-entry.js';
import { damaged, takeApart } from './damaged.js';

/** Magic numbers of a leaf with attributes. */
const MAGIC = { v5: 0x3bee, v4: 0xfbee } as const;
const HEADER_BYTES = { v5: 80, v4: 32 } as const;

/**
 * The attributes of a leaf ("XFS Algorithms & Data Structures", leaf attributes).
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function leafAttributes(bytes: Buffer, version: 'v5' | 'v4'): RawAttribute[] {
  if (bytes.readUInt16BE(8) !== MAGIC[version]) throw damaged('a leaf of attributes is none');
  const start = HEADER_BYTES[version];
  const count = bytes.readUInt16BE(version === 'v5' ? 56 : 12);
  return takeApart('a leaf of attributes', () =>
    Array.from({ length: count }, (_, index) => at(bytes, start + index * 8)),
  );
}

function at(bytes: Buffer, entry: number): RawAttribute {
  const place = bytes.readUInt16BE(entry + 4);
  const flags = bytes.readUInt8(entry + 6);
  if ((flags & ATTRIBUTE_FLAGS.local) === 0) {
    const name = part(bytes, place + 9, bytes.readUInt8(place + 8));
    return { flags, name, value: { block: bytes.readUInt32BE(place), length: bytes.readUInt32BE(place + 4) } };
  }
  const nameLength = bytes.readUInt8(place + 2);
  const value = part(bytes, place + 3 + nameLength, bytes.readUInt16BE(place));
  return { flags, name: part(bytes, place + 3, nameLength), value };
}

function part(bytes: Buffer, start: number, length: number): Buffer {
  if (start + length > bytes.length) throw new RangeError('an attribute is cut off');
  return bytes.subarray(start, start + length);
}

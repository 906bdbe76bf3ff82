import { damaged, part, readSize, utf16 } from './parse.js';
import { parseReference } from './file-record.js';

const ENTRY_BYTES = 26;

/** Where an attribute, or a part of one, of a file with several records stands. */
export interface ListEntry {
  readonly type: number;
  readonly name: string;
  /** The first cluster of the stream that it is for. */
  readonly vcn: number;
  readonly record: number;
  readonly instance: number;
}

/**
 * The entries of an `$ATTRIBUTE_LIST`.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseListEntries(bytes: Buffer): ListEntry[] {
  const entries: ListEntry[] = [];
  for (let at = 0; at + ENTRY_BYTES <= bytes.length;) {
    const length = bytes.readUInt16LE(at + 4);
    if (length < ENTRY_BYTES) throw damaged('a list of attributes makes no sense');
    const entry = part(bytes, at, length, 'a list of attributes');
    const nameLength = entry.readUInt8(6);
    entries.push({
      type: entry.readUInt32LE(0),
      name: nameLength === 0 ? '' : utf16(part(entry, entry.readUInt8(7), 2 * nameLength, 'a stream name')),
      vcn: readSize(entry, 8),
      record: parseReference(entry, 16).number,
      instance: entry.readUInt16LE(24),
    });
    at += length;
  }
  return entries;
}

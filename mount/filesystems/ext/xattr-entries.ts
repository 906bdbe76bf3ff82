import { damaged } from './errors.js';

const ENTRY_BYTES = 16;
const MAX_VALUE_BYTES = 2 ** 24;

/** An entry of a list of extended attributes. */
export interface XattrEntry {
  /** What the name's prefix is. */
  readonly prefix: number;
  /** The rest of the name. */
  readonly name: string;
  /** The inode that holds the value; 0 if it stands in the same place as the list. */
  readonly valueInode: number;
  readonly valueBytes: number;
  /** The value, unless an inode holds it: a view. */
  readonly value: Buffer;
}

/**
 * The entries of a list, checked as check_xattrs() does.
 * @param area where values may stand, and what their offsets count from
 * @param start where the list starts in `area`
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseXattrs(area: Buffer, start: number, owner: number): XattrEntry[] {
  const entries: XattrEntry[] = [];
  const end = endOfList(area, start, owner);
  for (let at = start; at < end; at += entryBytes(area, at)) entries.push(parseEntry(area, at, end, owner));
  return entries;
}

function entryBytes(area: Buffer, at: number): number {
  return (ENTRY_BYTES + area.readUInt8(at) + 3) & ~3;
}

/** Four bytes of zeros end the list. */
function endOfList(area: Buffer, start: number, owner: number): number {
  let at = start;
  while (at + 4 <= area.length && area.readUInt32LE(at) !== 0) at += entryBytes(area, at);
  if (at + 4 > area.length) throw broken(owner);
  return at;
}

function parseEntry(area: Buffer, at: number, end: number, owner: number): XattrEntry {
  const name = area.toString('utf8', at + ENTRY_BYTES, at + ENTRY_BYTES + area.readUInt8(at));
  const valueInode = area.readUInt32LE(at + 4);
  const valueBytes = area.readUInt32LE(at + 8);
  const offset = area.readUInt16LE(at + 2);
  if (name.includes('\0') || valueBytes > MAX_VALUE_BYTES) throw broken(owner);
  const isInside = valueInode === 0 && valueBytes > 0;
  if (isInside && (offset < end + 4 || offset + valueBytes > area.length)) throw broken(owner);
  return {
    prefix: area.readUInt8(at + 1),
    name,
    valueInode,
    valueBytes,
    value: isInside ? area.subarray(offset, offset + valueBytes) : area.subarray(0, 0),
  };
}

function broken(owner: number): Error {
  return damaged(`the list of extended attributes of inode ${owner} is broken`);
}

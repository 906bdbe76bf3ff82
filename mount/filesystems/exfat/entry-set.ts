import { SLOT_BYTES } from '../fat/directory-slots.js';
import { DIRECTORY } from '../fat/dos-attributes.js';

/** Types of directory entries, with the bit that says they are in use. exFAT specification, section 6. */
export const FILE_ENTRY = 0x85;
const STREAM_ENTRY = 0xc0;
const NAME_ENTRY = 0xc1;
const IN_USE = 0x80;
const SECONDARY = 0x40;
const BENIGN = 0x20;

const NAME_UNITS = 15;
/** A set has at most 18 entries of its own beside those of vendors, and no more than 256. */
export const MAX_SET_SLOTS = 256;

/** A file of an exFAT directory: its entry and those that belong to it. */
export interface EntrySet {
  /** UTF-16, not escaped. */
  readonly name: string;
  /** That of the entry of the stream. */
  readonly nameHash: number;
  readonly isChecksumRight: boolean;
  readonly isDirectory: boolean;
}

/** How many entries the set has whose first entry stands at `at`. */
export function setSlots(slots: Buffer, at: number): number {
  return slots.readUInt8(at + 1) + 1;
}

/**
 * The set in `bytes`, which hold all of its entries and no others; undefined if it is none: without a stream or a name,
 * or with an entry that may not be passed over.
 */
export function parseEntrySet(bytes: Buffer): EntrySet | undefined {
  if (bytes.length < 3 * SLOT_BYTES || bytes[SLOT_BYTES] !== STREAM_ENTRY) return undefined;
  const nameLength = bytes.readUInt8(SLOT_BYTES + 3);
  const nameEntries = Math.ceil(nameLength / NAME_UNITS);
  const end = (2 + nameEntries) * SLOT_BYTES;
  if (nameLength === 0 || bytes.length < end) return undefined;
  let name = '';
  for (let at = 2 * SLOT_BYTES; at < bytes.length; at += SLOT_BYTES) {
    const type = bytes.readUInt8(at);
    if (at < end && type === NAME_ENTRY) name += bytes.toString('utf16le', at + 2, at + SLOT_BYTES);
    else if (at < end || !mayBePassedOver(type)) return undefined;
  }
  return {
    name: name.slice(0, nameLength),
    nameHash: bytes.readUInt16LE(SLOT_BYTES + 4),
    isChecksumRight: isChecksumRight(bytes),
    isDirectory: (bytes.readUInt16LE(4) & DIRECTORY) !== 0,
  };
}

/** Entries that belong to a file and say nothing that must be understood: no longer in use, or a vendor's. */
function mayBePassedOver(type: number): boolean {
  return (type & SECONDARY) !== 0 && ((type & IN_USE) === 0 || (type & BENIGN) !== 0);
}

/** The hash of a folded name. exFAT specification, section 7.6.4. */
export function nameHashOf(folded: string): number {
  let hash = 0;
  for (let at = 0; at < folded.length; at++) {
    const unit = folded.charCodeAt(at);
    for (const byte of [unit & 0xff, unit >> 8]) hash = (((hash << 15) | (hash >>> 1)) + byte) & 0xffff;
  }
  return hash;
}

/** exFAT specification, section 6.3.3: all but the field of the checksum itself. */
function isChecksumRight(bytes: Buffer): boolean {
  let sum = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (at !== 2 && at !== 3) sum = (((sum << 15) | (sum >>> 1)) + (bytes[at] ?? 0)) & 0xffff;
  }
  return sum === bytes.readUInt16LE(2);
}

import type { MetadataReader } from '../../blocks/block-cache.js';
import type { ByteRuns } from './byte-runs.js';
import type { NamedEntry } from './cluster-filesystem.js';
import { directorySlots, SLOT_BYTES, type SlotPiece } from './directory-slots.js';
import { DIRECTORY } from './dos-attributes.js';
import { LongName } from './long-name.js';
import { shortName, shortNameChecksum } from './short-name.js';

/** Directories have at most 2 MiB. */
const MAX_DIRECTORY_SLOTS = 65_536;
/** A name and its entry have at most 21 slots. */
export const ENTRY_BYTES = 21 * SLOT_BYTES;

const ATTRIBUTES_OFFSET = 11;
const DELETED = 0xe5;
const LONG_NAME = 0x0f;
const LONG_NAME_MASK = 0x3f;
const VOLUME_LABEL = 0x08;

/**
 * The files in a directory from a slot on, in batches.
 * @param pieceBytes how much to read at once, at most
 * @throws {UmbraError} FILESYSTEM_DAMAGED after what is whole, STORE_DAMAGED
 */
export async function* fatEntries(
  reader: MetadataReader,
  runs: ByteRuns,
  fromSlot: number,
  pieceBytes: number,
): AsyncGenerator<readonly NamedEntry[]> {
  const longName = new LongName();
  const range = { fromSlot, maxSlots: MAX_DIRECTORY_SLOTS, pieceBytes };
  for await (const piece of directorySlots(reader, runs, range)) {
    const entries: NamedEntry[] = [];
    const isEnd = entriesOfPiece(piece, longName, entries);
    yield entries;
    if (isEnd) return;
  }
}

/** @returns true if the directory ends there */
function entriesOfPiece({ bytes, offset, firstSlot }: SlotPiece, longName: LongName, entries: NamedEntry[]): boolean {
  for (let at = 0; at < bytes.length; at += SLOT_BYTES) {
    const first = bytes[at];
    if (first === 0) return true;
    const slot = firstSlot + at / SLOT_BYTES;
    const attributes = bytes.readUInt8(at + ATTRIBUTES_OFFSET);
    if (first !== DELETED && (attributes & LONG_NAME_MASK) === LONG_NAME) longName.push(bytes, at, slot);
    else if (first === DELETED || (attributes & VOLUME_LABEL) !== 0) longName.clear();
    else {
      const entry = entryOf(bytes, at, longName, slot, (offset + at) / SLOT_BYTES);
      if (entry !== undefined) entries.push(entry);
    }
  }
  return false;
}

function entryOf(bytes: Buffer, at: number, longName: LongName, slot: number, id: number): NamedEntry | undefined {
  const long = longName.take(shortNameChecksum(bytes, at));
  const alias = shortName(bytes, at);
  const isDirectory = (bytes.readUInt8(at + ATTRIBUTES_OFFSET) & DIRECTORY) !== 0;
  if (long !== undefined && isName(long.name)) return { name: long.name, alias, id, slot: long.slot, isDirectory };
  // The directory itself and its parent have entries, and there may be no others of their names.
  return isName(alias) ? { name: alias, alias, id, slot, isDirectory } : undefined;
}

function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..';
}

/** The slot of a root directory that holds the volume's label: where it stands, in which piece. */
export async function findLabel(
  reader: MetadataReader,
  runs: ByteRuns,
): Promise<{ readonly slots: Buffer; readonly at: number } | undefined> {
  const range = { fromSlot: 0, maxSlots: MAX_DIRECTORY_SLOTS, pieceBytes: 4096 };
  for await (const { bytes } of directorySlots(reader, runs, range)) {
    for (let at = 0; at < bytes.length; at += SLOT_BYTES) {
      if (bytes[at] === 0) return undefined;
      if (bytes[at] !== DELETED && isLabel(bytes, at)) return { slots: bytes, at };
    }
  }
  return undefined;
}

/** A label's entry has no clusters and no other attribute but that of a changed file. */
function isLabel(bytes: Buffer, at: number): boolean {
  const attributes = bytes.readUInt8(at + ATTRIBUTES_OFFSET);
  const isLong = (attributes & LONG_NAME_MASK) === LONG_NAME;
  const cluster = bytes.readUInt16LE(at + 20) | bytes.readUInt16LE(at + 26);
  return !isLong && (attributes & (VOLUME_LABEL | DIRECTORY)) === VOLUME_LABEL && cluster === 0;
}

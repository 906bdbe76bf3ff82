import type { MetadataReader } from '../../blocks/block-cache.js';
import type { ByteRuns } from '../fat/byte-runs.js';
import { directorySlots, SLOT_BYTES } from '../fat/directory-slots.js';
import { MAX_SLOTS } from '../fat/name-index.js';
import { type EntrySet, FILE_ENTRY, nameHashOf, parseEntrySet, setSlots } from './entry-set.js';
import type { UpcaseTable } from './upcase-table.js';

/** A file of a directory and where its entries stand. */
export interface PlacedSet extends EntrySet {
  /** Of its first entry: in the volume, in bytes. */
  readonly offset: number;
  /** In the directory. */
  readonly slot: number;
}

/**
 * The files in a directory from a slot on, in batches. What is no whole set of entries is passed over, and so is a set
 * whose checksum and whose name's hash are wrong; the checksum alone hides no file, as in Linux.
 * @param pieceBytes how much to read at once, at most
 * @throws {UmbraError} FILESYSTEM_DAMAGED after what is whole, STORE_DAMAGED
 */
export async function* exfatEntries(
  reader: MetadataReader,
  runs: ByteRuns,
  upcase: UpcaseTable,
  { fromSlot, pieceBytes }: { readonly fromSlot: number; readonly pieceBytes: number },
): AsyncGenerator<readonly PlacedSet[]> {
  let window = EMPTY;
  const range = { fromSlot, maxSlots: MAX_SLOTS, pieceBytes };
  for await (const { bytes, offset, firstSlot } of directorySlots(reader, runs, range)) {
    window = joined(window, bytes, offset, firstSlot);
    const sets: PlacedSet[] = [];
    const rest = setsOf(window, upcase, sets);
    yield sets;
    if (rest === undefined) return;
    window = cut(window, rest);
  }
  // A set that the directory's end cuts off hides none that begins inside of it.
  const sets: PlacedSet[] = [];
  for (let at = SLOT_BYTES; at < window.bytes.length; at += SLOT_BYTES) {
    const rest = setsOf(cut(window, at), upcase, sets);
    if (rest === undefined) break;
    at += rest;
  }
  yield sets;
}

/** Slots that were read and not yet looked at; they may come from several pieces. */
interface Window {
  readonly bytes: Buffer;
  /** Of each slot, in the volume. */
  readonly offsets: (at: number) => number;
  readonly firstSlot: number;
}

const EMPTY: Window = { bytes: Buffer.alloc(0), offsets: () => 0, firstSlot: 0 };

function joined(rest: Window, bytes: Buffer, offset: number, firstSlot: number): Window {
  const { length } = rest.bytes;
  if (length === 0) return { bytes, offsets: (at) => offset + at, firstSlot };
  const before = Array.from({ length: length / SLOT_BYTES }, (_, index) => rest.offsets(index * SLOT_BYTES));
  return {
    bytes: Buffer.concat([rest.bytes, bytes]),
    offsets: (at) => (at < length ? (before[at / SLOT_BYTES] ?? 0) : offset + at - length),
    firstSlot: rest.firstSlot,
  };
}

function cut({ bytes, offsets, firstSlot }: Window, from: number): Window {
  return {
    bytes: bytes.subarray(from),
    offsets: (at) => offsets(from + at),
    firstSlot: firstSlot + from / SLOT_BYTES,
  };
}

/** @returns where the first set begins that is not all there; undefined if the directory ends before that */
function setsOf(window: Window, upcase: UpcaseTable, sets: PlacedSet[]): number | undefined {
  const { bytes, offsets, firstSlot } = window;
  for (let at = 0; at < bytes.length;) {
    const type = bytes[at];
    if (type === 0) return undefined;
    if (type !== FILE_ENTRY) {
      at += SLOT_BYTES;
      continue;
    }
    const length = setSlots(bytes, at) * SLOT_BYTES;
    if (at + length > bytes.length) return at;
    const set = parseEntrySet(bytes.subarray(at, at + length));
    const isWhole = set !== undefined && isTrusted(set, upcase);
    if (isWhole) sets.push({ ...set, offset: offsets(at), slot: firstSlot + at / SLOT_BYTES });
    at += isWhole ? length : SLOT_BYTES;
  }
  return bytes.length;
}

function isTrusted({ name, nameHash, isChecksumRight }: EntrySet, upcase: UpcaseTable): boolean {
  if (name === '.' || name === '..') return false;
  return isChecksumRight || (upcase.isOwn && nameHashOf(upcase.fold(name)) === nameHash);
}

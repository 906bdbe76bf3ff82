import type { MetadataReader } from '../../blocks/block-cache.js';
import type { ByteRuns } from '../fat/byte-runs.js';
import { directorySlots, SLOT_BYTES } from '../fat/directory-slots.js';

/** What the top directory says of the volume. exFAT specification, sections 7.1 to 7.3. */
export interface RootEntries {
  bitmap: Stream | undefined;
  upcase: (Stream & { readonly checksum: number }) | undefined;
  label: string;
}

/** Where a file of the volume's own stands. */
export interface Stream {
  readonly firstCluster: number;
  readonly sizeBytes: bigint;
}

const BITMAP = 0x81;
const UPCASE = 0x82;
const LABEL = 0x83;
const MAX_LABEL_UNITS = 11;
/** Formatting programs put them first; no more than 1 MiB is searched for them. */
const MAX_SEARCHED_SLOTS = 32_768;

/**
 * Look for the entries of the bitmap of the active table, of the table of capital letters and of the label.
 * @param found is filled as far as the directory can be read
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function findRootEntries(
  reader: MetadataReader,
  runs: ByteRuns,
  activeFat: number,
  found: RootEntries,
): Promise<void> {
  const range = { fromSlot: 0, maxSlots: MAX_SEARCHED_SLOTS, pieceBytes: 4096 };
  for await (const { bytes, firstSlot } of directorySlots(reader, runs, range)) {
    for (let at = 0; at < bytes.length; at += SLOT_BYTES) {
      if (bytes[at] === 0) return;
      note(bytes.subarray(at, at + SLOT_BYTES), activeFat, found);
    }
    if (firstSlot * SLOT_BYTES + bytes.length >= MAX_SEARCHED_SLOTS * SLOT_BYTES) return;
  }
}

function note(slot: Buffer, activeFat: number, found: RootEntries): void {
  const type = slot[0];
  const stream = { firstCluster: slot.readUInt32LE(20), sizeBytes: slot.readBigUInt64LE(24) };
  if (type === BITMAP && (slot.readUInt8(1) & 1) === activeFat) found.bitmap ??= stream;
  if (type === UPCASE) found.upcase ??= { ...stream, checksum: slot.readUInt32LE(4) };
  if (type === LABEL) {
    const units = Math.min(slot.readUInt8(1), MAX_LABEL_UNITS);
    found.label ||= slot.toString('utf16le', 2, 2 + units * 2);
  }
}

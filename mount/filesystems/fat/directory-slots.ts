import { UmbraError } from '../../../src/common/errors.js';
import { type MetadataReader, UNIT_BYTES } from '../../blocks/block-cache.js';
import type { ByteRuns } from './byte-runs.js';

export const SLOT_BYTES = 32;

/** Slots of a directory that stand together. */
export interface SlotPiece {
  /** A whole number of slots; a view of the cache. */
  readonly bytes: Buffer;
  /** Where they stand in the volume. */
  readonly offset: number;
  /** The number of the first one in the directory. */
  readonly firstSlot: number;
}

export interface SlotRange {
  readonly fromSlot: number;
  /** A directory with more slots is damaged. */
  readonly maxSlots: number;
  /** How much to read at once, at most. */
  readonly pieceBytes: number;
}

/**
 * The slots of a directory in pieces, in order.
 * @throws {UmbraError} FILESYSTEM_DAMAGED after what is whole, STORE_DAMAGED
 */
export async function* directorySlots(
  reader: MetadataReader,
  runs: ByteRuns,
  { fromSlot, maxSlots, pieceBytes }: SlotRange,
): AsyncGenerator<SlotPiece> {
  for (let slot = fromSlot; ;) {
    const found = runs.run(slot * SLOT_BYTES, pieceBytes);
    const run = found instanceof Promise ? await found : found;
    if (run === undefined) return;
    if (slot >= maxSlots) throw new UmbraError('FILESYSTEM_DAMAGED', `a directory has more than ${maxSlots} entries`);
    const length = Math.min(run.length, UNIT_BYTES - (run.offset % UNIT_BYTES));
    const bytes = reader.get(run.offset, length);
    yield { bytes: bytes instanceof Promise ? await bytes : bytes, offset: run.offset, firstSlot: slot };
    slot += length / SLOT_BYTES;
  }
}

import type { FileReader } from '../filesystem.js';

const PIECE_BYTES = 1024 * 1024;

/** Bits that are set in each byte. */
const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

/**
 * How many of a volume's clusters are free: bits of its bitmap that are not set. exFAT specification, section 7.1.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function countFreeClusters(bitmap: FileReader, clusters: number): Promise<number> {
  const piece = Buffer.alloc(Math.min(PIECE_BYTES, bitmap.sizeBytes));
  let used = 0;
  for (let done = 0; done < bitmap.sizeBytes;) {
    const length = await bitmap.read(piece, done);
    for (let at = 0; at < length; at++) used += ONES[maskedByte(piece[at] ?? 0, (done + at) * 8, clusters)] ?? 0;
    done += length;
  }
  return Math.max(0, clusters - used);
}

/** Without the bits behind the last cluster. */
function maskedByte(byte: number, first: number, clusters: number): number {
  return first + 8 <= clusters ? byte : byte & ((1 << Math.max(0, clusters - first)) - 1);
}

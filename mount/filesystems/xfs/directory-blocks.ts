import { damaged } from './damaged.js';
import { type ExtentMap, isMapping } from './extent-map.js';
import type { Metadata } from './metadata.js';

/** A block of a directory or of an attribute tree: bytes, and where the first of them stands on the volume. */
export interface TreeBlock {
  readonly bytes: Buffer;
  readonly offset: number;
}

/**
 * Read one block of a directory, which may be several blocks of the file system at several places.
 * @param first the file system block in the fork that it begins at
 * @param count how many file system blocks it has
 * @returns undefined if it lies in a hole
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function readTreeBlock(
  metadata: Metadata,
  map: ExtentMap,
  first: number,
  count: number,
): Promise<TreeBlock | undefined> {
  const { blockBytes } = metadata.geometry.superblock;
  const parts: Buffer[] = [];
  let place: number | undefined;
  for (let block = first; block < first + count;) {
    const found = map.find(block);
    const piece = found instanceof Promise ? await found : found;
    if (!isMapping(piece)) break;
    const length = Math.min(piece.start + piece.count, first + count) - block;
    const offset = metadata.geometry.offsetOf(piece.block + block - piece.start, length);
    const bytes = metadata.bytes(offset, length * blockBytes);
    parts.push(bytes instanceof Promise ? await bytes : bytes);
    place ??= offset;
    block += length;
  }
  const [only] = parts;
  if (only === undefined || place === undefined) return undefined;
  const bytes = parts.length === 1 ? only : Buffer.concat(parts);
  if (bytes.length < count * blockBytes) throw damaged('a block of a directory has a hole in it');
  return { bytes, offset: place };
}

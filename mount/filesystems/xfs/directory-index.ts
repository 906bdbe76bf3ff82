import { damaged } from './damaged.js';

/** A sorted array of pairs of a hash and an address: the index of a directory, or a part of it. */
export interface HashArray {
  readonly bytes: Buffer;
  readonly at: number;
  readonly count: number;
}

/**
 * Hashes at a place in a block.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when they do not fit there
 */
export function hashArray(bytes: Buffer, at: number, count: number): HashArray {
  if (at + count * 8 > bytes.length) throw damaged('an index has more entries than there is room for');
  return { bytes, at, count };
}

/** The number of the first entry whose hash is not below `hash`; `count` if there is none. */
export function firstNotBelow({ bytes, at, count }: HashArray, hash: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bytes.readUInt32BE(at + middle * 8) < hash) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function hashAt({ bytes, at }: HashArray, index: number): number {
  return bytes.readUInt32BE(at + index * 8);
}

/** The address (or child) beside a hash. */
export function addressAt({ bytes, at }: HashArray, index: number): number {
  return bytes.readUInt32BE(at + index * 8 + 4);
}

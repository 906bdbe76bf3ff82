import { crc32c } from '@node-rs/crc32';

/** Small structures (inodes) are copied here, so that their checksum takes one call. */
const scratch = Buffer.alloc(2048);

/**
 * The CRC32c of a structure of version 5, its own four bytes taken as zeros ("XFS Algorithms & Data Structures", self
 * describing metadata).
 * @param at where in the structure the checksum stands
 */
export function checksumOf(bytes: Uint8Array, at: number): number {
  if (bytes.length <= scratch.length) {
    scratch.set(bytes);
    scratch.fill(0, at, at + 4);
    return crc32c(scratch.subarray(0, bytes.length));
  }
  return crc32c(bytes.subarray(at + 4), crc32c(ZEROS, crc32c(bytes.subarray(0, at))));
}

const ZEROS = new Uint8Array(4);

/** True if the checksum at `at` is right; it is little-endian, unlike all else. */
export function checksumHolds(bytes: Buffer, at: number): boolean {
  return checksumOf(bytes, at) === bytes.readUInt32LE(at);
}

/** Write the checksum that belongs at `at`. */
export function stampChecksum(bytes: Buffer, at: number): void {
  bytes.writeUInt32LE(checksumOf(bytes, at), at);
}

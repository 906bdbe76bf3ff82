import { createHash } from 'node:crypto';
import { crc32c } from '@node-rs/crc32';
import xxhash from 'xxhash-wasm';
import { blake2b256 } from './blake2b.js';
import { unreadable } from './numbers.js';

const api = await xxhash();

/** One of the four kinds of checksum that a file system can have been made with. */
export interface Checksum {
  readonly name: string;
  readonly sizeBytes: number;
  /** True if `stored` has the checksum of `bytes` at `at`. */
  matches(bytes: Uint8Array, stored: Buffer, at: number): boolean;
  /** The checksum of `bytes`, as it is stored. */
  of(bytes: Uint8Array): Buffer;
}

const KINDS: readonly Checksum[] = [
  {
    name: 'crc32c',
    sizeBytes: 4,
    matches: (bytes, stored, at) => crc32c(bytes) === stored.readUInt32LE(at),
    of(bytes) {
      const sum = Buffer.alloc(4);
      sum.writeUInt32LE(crc32c(bytes));
      return sum;
    },
  },
  {
    name: 'xxhash64',
    sizeBytes: 8,
    matches: (bytes, stored, at) => api.h64Raw(bytes) === stored.readBigUInt64LE(at),
    of(bytes) {
      const sum = Buffer.alloc(8);
      sum.writeBigUInt64LE(api.h64Raw(bytes));
      return sum;
    },
  },
  digest('sha256', (bytes) => createHash('sha256').update(bytes).digest()),
  digest('blake2b', blake2b256),
];

/**
 * The checksum of that number in the superblock.
 * @throws {UmbraError} FILESYSTEM_UNREADABLE
 */
export function checksumKind(number: number): Checksum {
  const kind = KINDS[number];
  if (kind === undefined) {
    throw unreadable(`checksums of kind ${number} are not known`, 'Mount the raw volume with a newer kernel.');
  }
  return kind;
}

function digest(name: string, of: (bytes: Uint8Array) => Buffer): Checksum {
  return { name, sizeBytes: 32, matches: (bytes, stored, at) => of(bytes).equals(stored.subarray(at, at + 32)), of };
}

/** The hash of a name that a directory item's key has as its offset: crc32c from ~1, not inverted at the end. */
export function nameHash(name: Uint8Array): number {
  return ~crc32c(name, 1) >>> 0;
}

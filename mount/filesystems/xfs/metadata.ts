import type { MetadataReader } from '../../blocks/block-cache.js';
import { checksumHolds } from './checksum.js';
import { damaged } from './damaged.js';
import type { Geometry } from './geometry.js';

/** Where the self-description of a structure of version 5 stands in it. */
export interface SelfDescription {
  readonly crc: number;
  readonly uuid: number;
  readonly owner: number;
  /** Where it says its own place, in units of 512 bytes. */
  readonly place: number;
}

/** Blocks of a directory's data. */
export const DIRECTORY_DATA: SelfDescription = { crc: 4, place: 8, uuid: 24, owner: 40 };
/** Leaves and nodes of the trees of directories and attributes. */
export const TREE: SelfDescription = { crc: 12, place: 16, uuid: 32, owner: 48 };
/** Blocks of the tree of a file's extents. */
export const EXTENT_TREE: SelfDescription = { crc: 64, place: 24, uuid: 40, owner: 56 };
/** Targets of symbolic links and values of attributes, outside of the inode. */
export const REMOTE: SelfDescription = { crc: 12, place: 40, uuid: 16, owner: 32 };

/** Reads metadata and checks it as the kernel does; a checksum once for as long as the bytes stay in the cache. */
export class Metadata {
  readonly geometry: Geometry;
  readonly reader: MetadataReader;
  /** By unit of the cache, the structures in it (place and kind) whose checksum was right. */
  readonly #checked = new WeakMap<ArrayBufferLike, Set<number>>();

  constructor(geometry: Geometry, reader: MetadataReader) {
    this.geometry = geometry;
    this.reader = reader;
  }

  /**
   * Bytes of the volume, not checked.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when they lie outside of it, STORE_DAMAGED
   */
  bytes(offset: number, length: number): Buffer | Promise<Buffer> {
    return this.reader.get(offset, length);
  }

  /**
   * Check a structure of version 5: its checksum, that it belongs to this file system and this inode, and that it
   * stands where it says; before version 5 there is nothing to check.
   * @param offset where on the volume `bytes` stand
   * @param what it is, for the error
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  check(bytes: Buffer, kind: SelfDescription, owner: number, offset: number, what: string): void {
    const { version, metaUuid } = this.geometry.superblock;
    if (version < 5) return;
    this.checkSum(bytes, kind.crc, what);
    if (!isSame(bytes, kind.uuid, metaUuid)) throw damaged(`${what} is of another file system`);
    if (number64(bytes, kind.owner) !== owner) throw damaged(`${what} belongs to another file`);
    if (number64(bytes, kind.place) * 512 !== offset) throw damaged(`${what} stands in the wrong place`);
  }

  /**
   * Check a checksum, if that was not done yet.
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  checkSum(bytes: Buffer, at: number, what: string): void {
    const key = bytes.byteOffset * 256 + at;
    let checked = this.#checked.get(bytes.buffer);
    if (checked?.has(key) === true) return;
    if (!checksumHolds(bytes, at)) throw damaged(`${what} has a wrong checksum`);
    if (checked === undefined) this.#checked.set(bytes.buffer, (checked = new Set()));
    checked.add(key);
  }
}

/** True if the 16 bytes at `at` are those of `uuid`. */
export function isSame(bytes: Buffer, at: number, uuid: Buffer): boolean {
  return bytes.compare(uuid, 0, 16, at, at + 16) === 0;
}

/** A big-endian number of 64 bits; what is beyond 2^53 is not exact. */
export function number64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

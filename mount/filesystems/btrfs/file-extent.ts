import { KeyType } from './layout.js';
import { damaged, u64 } from './numbers.js';
import type { Item, ItemTree } from './item-tree.js';

const INLINE_HEAD_BYTES = 21;
const EXTENT_BYTES = 53;
const TYPE = { inline: 0, regular: 1, preallocated: 2 } as const;
/** The kernel compresses pieces of 128 KiB (BTRFS_MAX_UNCOMPRESSED). */
const MAX_COMPRESSED_BYTES = 128 * 1024;
const MAX_UNCOMPRESSED_BYTES = 128 * 1024;

export const Compression = { none: 0, zlib: 1, lzo: 2, zstd: 3 } as const;

/** A stretch of a file. */
export type FileExtent =
  | { readonly kind: 'hole'; readonly offset: number; readonly length: number }
  | {
      readonly kind: 'inline';
      readonly offset: number;
      readonly length: number;
      readonly compression: number;
      readonly data: Buffer;
    }
  | {
      readonly kind: 'plain';
      readonly offset: number;
      readonly length: number;
      /** Where the first byte stands. */
      readonly logical: number;
    }
  | {
      readonly kind: 'compressed';
      readonly offset: number;
      readonly length: number;
      readonly compression: number;
      /** Where all of the compressed bytes stand, and how many there are and become. */
      readonly logical: number;
      readonly storedBytes: number;
      readonly plainBytes: number;
      /** Where in the plain bytes the stretch begins. */
      readonly skip: number;
    };

/** Finds the stretches of one file. */
export class FileExtents {
  readonly #tree: ItemTree;
  readonly #inode: number;
  readonly #sectorBytes: number;

  constructor(tree: ItemTree, inode: number, sectorBytes: number) {
    this.#tree = tree;
    this.#inode = inode;
    this.#sectorBytes = sectorBytes;
  }

  /**
   * The stretch that holds `offset`; a hole goes on to the next one, or to `end`.
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  async at(offset: number, end: number): Promise<FileExtent> {
    const objectId = this.#inode;
    const type = KeyType.extentData;
    const item = await this.#tree.floor({ objectId, type, offset });
    if (item?.objectId === objectId && item.type === type && item.offset >= 0) {
      const extent = parseFileExtent(item, this.#sectorBytes);
      if (offset < extent.offset + extent.length) return extent;
    }
    return { kind: 'hole', offset, length: (await this.#nextStart(offset, end)) - offset };
  }

  async #nextStart(offset: number, end: number): Promise<number> {
    const objectId = this.#inode;
    const type = KeyType.extentData;
    const last = { objectId, type, offset: end };
    for await (const [next] of this.#tree.batches({ objectId, type, offset: offset + 1 }, last)) {
      return Math.min(end, next?.offset ?? end);
    }
    return end;
  }
}

/** A file extent item. */
function parseFileExtent({ offset, data }: Item, sectorBytes: number): FileExtent {
  if (data.length < INLINE_HEAD_BYTES) throw damaged('a file extent is cut off');
  const compression = data.readUInt8(16);
  if (data.readUInt8(17) !== 0 || data.readUInt16LE(18) !== 0) throw damaged('a file extent is encrypted or encoded');
  const type = data.readUInt8(20);
  if (type === TYPE.inline) return inlineExtent(offset, compression, data);
  if (data.length < EXTENT_BYTES) throw damaged('a file extent is cut off');
  const length = u64(data, 45);
  const logical = u64(data, 21);
  if (length === 0 || offset + length > Number.MAX_SAFE_INTEGER) throw damaged('a file extent has no length');
  if (type === TYPE.preallocated || (logical === 0 && type === TYPE.regular)) return { kind: 'hole', offset, length };
  if (type !== TYPE.regular) throw damaged(`a file extent has the type ${type}`);
  return regularExtent({ offset, length, logical, compression }, data, sectorBytes);
}

function inlineExtent(offset: number, compression: number, data: Buffer): FileExtent {
  const plainBytes = u64(data, 8);
  const bytes = data.subarray(INLINE_HEAD_BYTES);
  const length = compression === Compression.none ? bytes.length : plainBytes;
  if (length === 0 || length > MAX_UNCOMPRESSED_BYTES) throw damaged(`an inline extent has ${length} bytes`);
  return { kind: 'inline', offset, length, compression, data: bytes };
}

function regularExtent(
  part: { offset: number; length: number; logical: number; compression: number },
  data: Buffer,
  sectorBytes: number,
): FileExtent {
  const [plainBytes, storedBytes, skip] = [u64(data, 8), u64(data, 29), u64(data, 37)];
  const { offset, length, logical, compression } = part;
  const aligned = [offset, length, logical, storedBytes, skip].every((value) => value % sectorBytes === 0);
  if (!aligned || skip + length > plainBytes) throw damaged('a file extent makes no sense');
  if (compression === Compression.none) {
    if (skip + length > storedBytes) throw damaged('a file extent is longer than what is stored');
    return { kind: 'plain', offset, length, logical: logical + skip };
  }
  if (plainBytes > MAX_UNCOMPRESSED_BYTES || storedBytes > MAX_COMPRESSED_BYTES || storedBytes === 0) {
    throw damaged('a compressed extent is too long');
  }
  return { kind: 'compressed', offset, length, compression, logical, storedBytes, plainBytes, skip };
}

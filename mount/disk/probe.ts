import { isUmbraError, type UmbraError } from '../../src/common/errors.js';
import type { BlockCache, MetadataReader } from '../blocks/block-cache.js';
import { type ByteSource, lengthWithin } from '../blocks/byte-source.js';

/**
 * Looks at small pieces of something of which it is not known what it is; what lies outside is simply not there, and so are
 * damaged bytes of a disk that is put together from files: what else there is of it can be looked at.
 */
export class Probe {
  readonly source: ByteSource;
  readonly #reader: MetadataReader;
  #damage: UmbraError | undefined;

  constructor(source: ByteSource, cache: BlockCache) {
    this.source = source;
    this.#reader = cache.reader(source);
  }

  get sizeBytes(): number {
    return this.source.sizeBytes;
  }

  /** Why bytes that are there were not: of the first ones. */
  get damage(): UmbraError | undefined {
    return this.#damage;
  }

  /** `length` bytes from `offset`, not to be changed; undefined when they do not all lie in the source, or are damaged. */
  async at(offset: number, length: number): Promise<Buffer | undefined> {
    if (length === 0) return Buffer.alloc(0);
    if (!Number.isSafeInteger(offset) || lengthWithin(this.sizeBytes, length, offset) < length) return undefined;
    try {
      return await this.#reader.get(offset, length);
    } catch (error) {
      if (!isUmbraError(error, 'FILESYSTEM_DAMAGED')) throw error;
      this.#damage ??= error;
      return undefined;
    }
  }

  /** True if `magic` stands at `offset`. */
  async has(offset: number, magic: string | Uint8Array): Promise<boolean> {
    const expected = typeof magic === 'string' ? Buffer.from(magic, 'latin1') : magic;
    return (await this.at(offset, expected.length))?.equals(expected) ?? false;
  }
}

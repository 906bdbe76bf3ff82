import type { BlockCache, MetadataReader } from '../blocks/block-cache.js';
import { type ByteSource, lengthWithin } from '../blocks/byte-source.js';

/** Looks at small pieces of something of which it is not known what it is; what lies outside is simply not there. */
export class Probe {
  readonly source: ByteSource;
  readonly #reader: MetadataReader;

  constructor(source: ByteSource, cache: BlockCache) {
    this.source = source;
    this.#reader = cache.reader(source);
  }

  get sizeBytes(): number {
    return this.source.sizeBytes;
  }

  /** `length` bytes from `offset`, not to be changed; undefined when they do not all lie in the source. */
  async at(offset: number, length: number): Promise<Buffer | undefined> {
    if (length === 0) return Buffer.alloc(0);
    if (!Number.isSafeInteger(offset) || lengthWithin(this.sizeBytes, length, offset) < length) return undefined;
    return await this.#reader.get(offset, length);
  }

  /** True if `magic` stands at `offset`. */
  async has(offset: number, magic: string | Uint8Array): Promise<boolean> {
    const expected = typeof magic === 'string' ? Buffer.from(magic, 'latin1') : magic;
    return (await this.at(offset, expected.length))?.equals(expected) ?? false;
  }
}

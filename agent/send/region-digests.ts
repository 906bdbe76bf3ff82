import { EMPTY_DIGEST, isEmptyDigest } from '../../src/codec/digest.js';
import { DIGEST_BYTES } from '../../src/codec/formats.js';

/** Regions of a page: 1 GiB of a volume. */
const PAGE_REGIONS = 256;
const PAGE_BYTES = PAGE_REGIONS * DIGEST_BYTES;
/** The number of a page stands before it. */
const NUMBER_BYTES = 4;
const STORED_BYTES = NUMBER_BYTES + PAGE_BYTES;

/**
 * The digest of each region's leaf, in pages of 8 KiB that are made when needed: a huge sparse volume takes no more memory, and no
 * more time, than what there is in it.
 */
export class RegionDigests {
  readonly #pages = new Map<number, Buffer>();

  /** @returns undefined for what {@link encode} did not make */
  static decode(bytes: Buffer): RegionDigests | undefined {
    if (bytes.length % STORED_BYTES !== 0) return undefined;
    const digests = new RegionDigests();
    for (let at = 0; at < bytes.length; at += STORED_BYTES) {
      digests.#pages.set(bytes.readUInt32LE(at), bytes.subarray(at + NUMBER_BYTES, at + STORED_BYTES));
    }
    return digests;
  }

  /** Zeros for a hole. */
  get(region: number): Uint8Array {
    const at = (region % PAGE_REGIONS) * DIGEST_BYTES;
    return this.#pages.get(Math.floor(region / PAGE_REGIONS))?.subarray(at, at + DIGEST_BYTES) ?? EMPTY_DIGEST;
  }

  /** @param leaf undefined for a hole */
  set(region: number, leaf: Uint8Array | undefined): void {
    const number = Math.floor(region / PAGE_REGIONS);
    let page = this.#pages.get(number);
    if (page === undefined) {
      if (leaf === undefined) return;
      this.#pages.set(number, (page = Buffer.alloc(PAGE_BYTES)));
    }
    page.set(leaf ?? EMPTY_DIGEST, (region % PAGE_REGIONS) * DIGEST_BYTES);
  }

  /** The regions from `from` on and before `end` that are no holes, in order. */
  *regions(from: number, end: number): Generator<number> {
    for (let number = Math.floor(from / PAGE_REGIONS); number * PAGE_REGIONS < end; number++) {
      if (!this.#pages.has(number)) continue;
      const last = Math.min(end, (number + 1) * PAGE_REGIONS);
      for (let region = Math.max(from, number * PAGE_REGIONS); region < last; region++) {
        if (!isEmptyDigest(this.get(region))) yield region;
      }
    }
  }

  /** Pages in order: a number, little-endian, and the digests. */
  encode(): Buffer {
    const pages = [...this.#pages].sort(([a], [b]) => a - b);
    const bytes = Buffer.allocUnsafe(pages.length * STORED_BYTES);
    for (const [index, [number, page]] of pages.entries()) {
      bytes.writeUInt32LE(number, index * STORED_BYTES);
      bytes.set(page, index * STORED_BYTES + NUMBER_BYTES);
    }
    return bytes;
  }
}

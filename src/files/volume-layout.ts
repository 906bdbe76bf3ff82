import type { Location } from '../../mount/blocks/byte-source.js';
import { BLOCK_BYTES, REGION_BYTES } from '../codec/formats.js';
import type { ObjectReader } from '../store/object-reader.js';
import type { VolumeRecord } from '../store/records.js';
import type { ChunkRef } from '../tree/node.js';
import { TreeReader } from '../tree/tree-reader.js';

/** A stretch of bytes, named by what the store calls them: where two of these are the same, so are the bytes. */
export type NamedBytes =
  | { readonly kind: 'zeros'; readonly length: number }
  | { readonly kind: 'chunk'; readonly length: number; readonly chunk: ChunkRef; readonly offset: number }
  /** Nobody can say without reading them. */
  | { readonly kind: 'unnamed'; readonly length: number };

/** Regions whose chunks are remembered: files that were written together lie together. */
const MAX_REGIONS = 64;

/** Which chunks the bytes of a shadow copy's volumes are in. */
export class VolumeLayout {
  readonly #volumes: ReadonlyMap<string, TreeReader>;
  /** By volume and region, in the order of use. */
  readonly #regions = new Map<string, readonly ChunkRef[]>();

  constructor(reader: ObjectReader, volumes: readonly VolumeRecord[]) {
    this.#volumes = new Map(volumes.map((volume) => [volume.name, new TreeReader(reader, volume)]));
  }

  /**
   * The names of the bytes at a location, in order.
   * @throws {UmbraError} STORE_DAMAGED
   */
  async *names({ volume, offset, length }: Location): AsyncGenerator<NamedBytes> {
    const tree = volume === undefined ? undefined : this.#volumes.get(volume);
    if (volume === undefined || tree === undefined) {
      yield { kind: 'unnamed', length };
      return;
    }
    for (let at = offset; at < offset + length;) {
      const region = Math.floor(at / REGION_BYTES);
      const end = Math.min(offset + length, (region + 1) * REGION_BYTES);
      const start = region * REGION_BYTES;
      yield* namesInRegion(await this.#chunks(volume, tree, region), at - start, end - start);
      at = end;
    }
  }

  async #chunks(volume: string, tree: TreeReader, region: number): Promise<readonly ChunkRef[]> {
    const key = `${region}:${volume}`;
    const chunks = this.#regions.get(key) ?? (await tree.chunks(region));
    this.#regions.delete(key);
    this.#regions.set(key, chunks);
    for (const oldest of this.#regions.keys()) {
      if (this.#regions.size <= MAX_REGIONS) break;
      this.#regions.delete(oldest);
    }
    return chunks;
  }
}

/** The names of the bytes `[from, to)` of a region. */
function* namesInRegion(chunks: readonly ChunkRef[], from: number, to: number): Generator<NamedBytes> {
  let at = from;
  for (let index = firstBehind(chunks, from); at < to; index++) {
    const chunk = chunks[index];
    const start = chunk === undefined ? to : Math.min(to, chunk.firstBlock * BLOCK_BYTES);
    if (start > at) {
      yield { kind: 'zeros', length: start - at };
      at = start;
    }
    if (chunk === undefined) return;
    const end = Math.min(to, (chunk.firstBlock + chunk.blocks) * BLOCK_BYTES);
    if (end > at) yield { kind: 'chunk', length: end - at, chunk, offset: at - chunk.firstBlock * BLOCK_BYTES };
    at = Math.max(at, end);
  }
}

/** Index of the first chunk that ends behind `offset`. */
function firstBehind(chunks: readonly ChunkRef[], offset: number): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const chunk = chunks[middle];
    if (chunk !== undefined && (chunk.firstBlock + chunk.blocks) * BLOCK_BYTES <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

import { digestOf, toHex } from '../../src/codec/digest.js';
import { REGION_BYTES, type ObjectType } from '../../src/codec/formats.js';
import { damaged, type FrameResult, type ObjectReader } from '../../src/store/object-reader.js';
import { UmbraError } from '../../src/common/errors.js';
import { TreeBuilder } from '../../src/tree/tree-builder.js';
import type { TreeRoot } from '../../src/tree/tree-reader.js';

/** Volume tree nodes in memory, counting what is read. */
export class MemoryNodes implements ObjectReader {
  readonly nodes = new Map<string, Buffer>();
  reads = 0;

  put(type: ObjectType, node: Buffer): Uint8Array {
    const digest = digestOf(node);
    this.nodes.set(`${type}${toHex(digest)}`, node);
    return digest;
  }

  read(type: ObjectType, digest: Uint8Array): Promise<Buffer> {
    this.reads++;
    const node = this.nodes.get(`${type}${toHex(digest)}`);
    return node === undefined ? Promise.reject(damaged(type, digest, 'missing')) : Promise.resolve(node);
  }

  readFrames(): Promise<FrameResult[]> {
    return Promise.reject(new UmbraError('INTERNAL', 'there are no frames here'));
  }

  has(): Promise<boolean[]> {
    return Promise.reject(new UmbraError('INTERNAL', 'there is no index here'));
  }

  reportDamage(type: ObjectType, digest: Uint8Array, reason: string): Promise<UmbraError> {
    return Promise.resolve(damaged(type, digest, reason));
  }

  /** Build the tree of a volume of `regions` regions from its leaves by region. */
  async build(regions: number, leaves: ReadonlyMap<number, Uint8Array>): Promise<TreeRoot> {
    const builder = new TreeBuilder(regions, (type, node) => Promise.resolve(this.put(type, node)));
    for (const [region, leaf] of [...leaves].sort(([a], [b]) => a - b)) await builder.add(region, leaf);
    return { root: await builder.finish(), sizeBytes: regions * REGION_BYTES };
  }
}

/** A digest that stands for the `kind`-th leaf. */
export function leafDigest(kind: number): Uint8Array {
  return digestOf(Buffer.from(`leaf ${kind}`));
}

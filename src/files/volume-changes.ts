import type { Location } from '../../mount/blocks/byte-source.js';
import { EMPTY_DIGEST } from '../codec/digest.js';
import { BLOCK_BYTES, BLOCKS_PER_REGION, REGION_BYTES } from '../codec/formats.js';
import { changedBlocks } from '../diff/changed-blocks.js';
import type { ObjectReader } from '../store/object-reader.js';
import type { VolumeRecord } from '../store/records.js';
import { diffTrees } from '../tree/tree-diff.js';
import { TreeReader, type TreeRoot } from '../tree/tree-reader.js';

/** A changed region: which of its blocks are, one bit each; undefined if all are taken to be. */
type ChangedRegion = Uint8Array | undefined;

/** Regions of which single blocks are remembered; of more than that, a change anywhere counts for the whole region. */
const MAX_DETAILED = 65_536;

const NO_VOLUME: TreeRoot = { root: EMPTY_DIGEST, sizeBytes: 0 };

/**
 * Which blocks of the volumes of a machine are not certainly the same in two shadow copies, told from their trees. Takes
 * about 200 bytes for each region that changed.
 */
export class VolumeChanges {
  readonly #volumes = new Map<string, ReadonlyMap<number, ChangedRegion>>();
  /** Volumes that only one side has, or with another size. */
  readonly #different = new Set<string>();

  /** @throws {UmbraError} STORE_DAMAGED, CANCELLED */
  static async between(
    reader: ObjectReader,
    from: readonly VolumeRecord[],
    to: readonly VolumeRecord[],
    signal: AbortSignal,
  ): Promise<VolumeChanges> {
    const changes = new VolumeChanges();
    for (const name of new Set([...from, ...to].map((volume) => volume.name))) {
      const [a, b] = [from, to].map((side) => side.find((volume) => volume.name === name));
      if (a?.sizeBytes !== b?.sizeBytes) changes.#different.add(name);
      changes.#volumes.set(name, await changedRegions(reader, a ?? NO_VOLUME, b ?? NO_VOLUME, signal));
    }
    return changes;
  }

  /** True if no byte of any volume changed. */
  get isEmpty(): boolean {
    return this.#different.size === 0 && [...this.#volumes.values()].every((regions) => regions.size === 0);
  }

  /** True if a volume came, went, or changed its size: partitions may be found in another way. */
  get isResized(): boolean {
    return this.#different.size > 0;
  }

  /** True if a byte of the location may have changed; so it is of bytes that are in no volume. */
  touches({ volume, offset, length }: Location): boolean {
    const regions = volume === undefined ? undefined : this.#volumes.get(volume);
    if (regions === undefined) return true;
    if (regions.size === 0) return false;
    for (let at = offset; at < offset + length;) {
      const region = Math.floor(at / REGION_BYTES);
      const start = region * REGION_BYTES;
      const end = Math.min(offset + length, start + REGION_BYTES);
      if (regions.has(region) && hasChanged(regions.get(region), at - start, end - start)) return true;
      at = end;
    }
    return false;
  }
}

function hasChanged(blocks: ChangedRegion, from: number, to: number): boolean {
  if (blocks === undefined) return true;
  const end = Math.ceil(to / BLOCK_BYTES);
  for (let block = Math.floor(from / BLOCK_BYTES); block < end; block++) {
    if (((blocks[block >>> 3] ?? 0) & (1 << (block & 7))) !== 0) return true;
  }
  return false;
}

async function changedRegions(
  reader: ObjectReader,
  from: TreeRoot,
  to: TreeRoot,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, ChangedRegion>> {
  const regions = new Map<number, ChangedRegion>();
  const sides = { from: new TreeReader(reader, from), to: new TreeReader(reader, to) };
  for await (const difference of diffTrees(reader, from, to)) {
    signal.throwIfAborted();
    if (regions.size >= MAX_DETAILED) {
      regions.set(difference.region, undefined);
      continue;
    }
    const a = difference.from === undefined ? [] : await sides.from.chunksOfLeaf(difference.from);
    const b = difference.to === undefined ? [] : await sides.to.chunksOfLeaf(difference.to);
    const blocks = new Uint8Array(BLOCKS_PER_REGION / 8);
    for (const run of changedBlocks(a, b)) {
      for (let block = run.firstBlock; block < run.firstBlock + run.blocks; block++) {
        blocks[block >>> 3] = (blocks[block >>> 3] ?? 0) | (1 << (block & 7));
      }
    }
    regions.set(difference.region, blocks);
  }
  return regions;
}

import { BLOCK_BYTES, BLOCKS_PER_REGION, REGION_BYTES } from '../../src/codec/formats.js';
import type { Random } from '../../test/kit/random.js';

/**
 * What is on a machine's disks: a number for each block that is not zeros. It is never changed, but replaced. Blocks are counted through all
 * volumes, each of which has {@link REGIONS} regions.
 */
export type Content = ReadonlyMap<number, number>;

export const REGIONS = 2;
const VOLUME_BLOCKS = REGIONS * BLOCKS_PER_REGION;
/** Written to in each region; the rest stays empty. */
const USED_BLOCKS = 40;

export const VOLUME_BYTES = REGIONS * REGION_BYTES;

/** The bytes of those numbers that come again and again. */
const common = new Map<number, Buffer>();
const COMMON_BELOW = 64;

/** The bytes of a block with this number; nobody changes them. */
export function blockBytes(value: number): Buffer {
  const known = common.get(value);
  if (known !== undefined) return known;
  const bytes = makeBlock(value);
  if (value < COMMON_BELOW) common.set(value, bytes);
  return bytes;
}

function makeBlock(value: number): Buffer {
  const bytes = Buffer.alloc(BLOCK_BYTES, (value & 0xff) | 1);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** What a guest has made of its disks since. Few distinct numbers, so that machines have chunks in common. */
export function changed(before: Content, random: Random, volumes: number, writes: number): Content {
  const after = new Map(before);
  for (let write = 0; write < writes; write += 1) {
    const volume = random.below(volumes);
    const first = volume * VOLUME_BLOCKS + random.below(REGIONS) * BLOCKS_PER_REGION + random.below(USED_BLOCKS);
    const value = random.chance(0.7) ? random.below(40) + 1 : random.below(2 ** 31) + 1;
    for (let block = first; block < first + random.between(1, 3); block += 1) {
      if (random.chance(0.2)) after.delete(block);
      else after.set(block, value + block - first);
    }
  }
  return after;
}

/** A region of a volume as it is to be sent. */
export interface RegionChange {
  readonly volume: number;
  readonly region: number;
  /** Pairs of first block and number of blocks. */
  readonly data: readonly number[];
  readonly zeros: readonly number[];
  readonly body: Buffer;
}

/** What `after` has that `before` has not, region by region. */
export function changesOf(before: Content, after: Content): RegionChange[] {
  const regions = new Map<number, { block: number; value: number }[]>();
  for (const block of new Set([...before.keys(), ...after.keys()])) {
    const value = after.get(block) ?? 0;
    if (value === (before.get(block) ?? 0)) continue;
    const region = Math.floor(block / BLOCKS_PER_REGION);
    const list = regions.get(region) ?? [];
    list.push({ block: block % BLOCKS_PER_REGION, value });
    regions.set(region, list);
  }
  return [...regions]
    .sort(([a], [b]) => a - b)
    .map(([index, blocks]) => {
      blocks.sort((a, b) => a.block - b.block);
      const data = blocks.filter(({ value }) => value !== 0);
      return {
        volume: Math.floor(index / REGIONS),
        region: index % REGIONS,
        data: rangesOf(data.map(({ block }) => block)),
        zeros: rangesOf(blocks.filter(({ value }) => value === 0).map(({ block }) => block)),
        body: Buffer.concat(data.map(({ value }) => blockBytes(value))),
      };
    });
}

/** All of a region as it is. */
export function wholeRegion(content: Content, volume: number, region: number): RegionChange {
  const blocks = Array.from({ length: BLOCKS_PER_REGION }, (_, block) => ({
    block,
    value: content.get(blockIndex(volume, region, block)) ?? 0,
  }));
  const data = blocks.filter(({ value }) => value !== 0);
  return {
    volume,
    region,
    data: rangesOf(data.map(({ block }) => block)),
    zeros: rangesOf(blocks.filter(({ value }) => value === 0).map(({ block }) => block)),
    body: Buffer.concat(data.map(({ value }) => blockBytes(value))),
  };
}

function rangesOf(blocks: readonly number[]): number[] {
  const ranges: number[] = [];
  for (const block of blocks) {
    const first = ranges.at(-2) ?? -1;
    const count = ranges.at(-1) ?? 0;
    if (ranges.length > 0 && first + count === block) ranges[ranges.length - 1] = count + 1;
    else ranges.push(block, 1);
  }
  return ranges;
}

/** Where a block of a volume stands among all. */
export function blockIndex(volume: number, region: number, block: number): number {
  return volume * VOLUME_BLOCKS + region * BLOCKS_PER_REGION + block;
}

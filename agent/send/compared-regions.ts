import { sameBytes } from '../../src/codec/digest.js';
import { BLOCK_BYTES, REGION_BYTES } from '../../src/codec/formats.js';
import { fillZeros } from '../../src/codec/zeros.js';
import type { WorkerPool } from '../../src/workers/pool.js';
import type { RegionSlot, RegionSlots } from '../../src/workers/region-slots.js';
import { regionInputs, type RegionExtents } from '../images/region-inputs.js';
import type { CheckpointVolume } from '../trackers/tracker.js';
import type { Fingerprints } from './fingerprints.js';

/** A region that was read and cut. */
export interface CutRegion {
  readonly region: number;
  /** How its chunks are named: what the server keeps of it. */
  readonly leaf: Buffer;
  /** Undefined for a region of zeros only. */
  readonly leafDigest: Uint8Array | undefined;
  readonly readBytes: number;
  /** Holds its bytes, until it is given back. */
  readonly slot: RegionSlot;
}

/** The regions of a volume that have data, in order, and those that are holes now and were not. */
export async function* regionsToCompare(
  volume: CheckpointVolume,
  fingerprints: Fingerprints | undefined,
): AsyncGenerator<RegionExtents> {
  let next = 0;
  for await (const input of regionInputs(volume)) {
    yield* becameHoles(volume, fingerprints, next, input.region);
    yield input;
    next = input.region + 1;
  }
  yield* becameHoles(volume, fingerprints, next, Math.ceil(volume.sizeBytes / REGION_BYTES));
}

function* becameHoles(
  volume: CheckpointVolume,
  fingerprints: Fingerprints | undefined,
  from: number,
  end: number,
): Generator<RegionExtents> {
  for (const region of fingerprints?.regions(from, end) ?? []) {
    const length = Math.min(REGION_BYTES, volume.sizeBytes - region * REGION_BYTES);
    yield { region, length, extents: [], dataBytes: 0 };
  }
}

/** Read a region and cut it. @throws {UmbraError} IMAGE_FAILED, IMAGE_CHANGED */
export async function cutRegionOf(
  volume: CheckpointVolume,
  input: RegionExtents,
  pool: WorkerPool,
  slots: RegionSlots,
): Promise<CutRegion> {
  const slot = await slots.take();
  try {
    const { region, length } = input;
    await fill(Buffer.from(slot.region), volume, input);
    const cut = await pool.run({ op: 'cut', region: slot.region, length, from: undefined });
    const leaf = Buffer.from(cut.leaf.buffer, cut.leaf.byteOffset, cut.leaf.byteLength);
    const leafDigest = cut.dataBlocks === 0 ? undefined : cut.leafDigest;
    return { region, leaf, leafDigest, readBytes: input.dataBytes, slot };
  } catch (error) {
    slots.giveBack(slot);
    throw error;
  }
}

/** True if the region is as the server has it. */
export function isUnchanged({ region, leafDigest }: CutRegion, fingerprints: Fingerprints | undefined): boolean {
  const known = fingerprints?.leaf(region);
  if (known === undefined) return false;
  return leafDigest === undefined ? known.every((byte) => byte === 0) : sameBytes(known, leafDigest);
}

async function fill(
  target: Buffer,
  volume: CheckpointVolume,
  { region, length, extents }: RegionExtents,
): Promise<void> {
  const offset = region * REGION_BYTES;
  let filled = 0;
  for (let index = 0; index < extents.length; index += 2) {
    const start = extents[index] ?? 0;
    const end = start + (extents[index + 1] ?? 0);
    fillZeros(target, filled, start);
    await volume.read(target.subarray(start, end), offset + start);
    filled = end;
  }
  fillZeros(target, filled, Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES);
}

import { BLOCK_BYTES, REGION_BYTES } from '../../src/codec/formats.js';
import { mapInOrder } from '../../src/common/map-in-order.js';
import { BodyMemory } from '../../src/protocol/body-memory.js';
import { INGEST_WINDOW } from '../../src/protocol/ingest.js';
import { decodeLeaf, type ChunkRef } from '../../src/tree/node.js';
import type { WorkerPool } from '../../src/workers/pool.js';
import { RegionSlots, type RegionSlot } from '../../src/workers/region-slots.js';
import type { CheckpointVolume } from '../trackers/tracker.js';
import { changedRegions, readChanged, withWanted } from './changed-regions.js';
import { cutRegionOf, isUnchanged, regionsToCompare, type CutRegion } from './compared-regions.js';
import type { Fingerprints, FingerprintWriter } from './fingerprints.js';
import type { SentRegion, UploadStream } from './upload-stream.js';

export interface SendCounts {
  /** Read from the volumes. */
  readonly readBytes: number;
  /** Sent of their content, without what names it. */
  readonly sentBytes: number;
}

export interface VolumeSenderOptions {
  readonly index: number;
  readonly volume: CheckpointVolume;
  /** Threads that cut; made when there is something to compare. */
  readonly pool: () => WorkerPool;
  /** What regions are passed in over a connection. What is read ahead when one breaks keeps its slots, so each has its own. */
  readonly slots: () => RegionSlots;
  /** Send what the tracker says has changed; else compare everything. */
  readonly byChanges: boolean;
  /** Regions that are sent although nothing has changed in them, in order: what the server has of them is damaged. */
  readonly reread: readonly number[];
  /** What the server has. */
  readonly fingerprints?: Fingerprints;
  /** Takes what it has after this. */
  readonly writer?: FingerprintWriter;
}

/** Regions that are read ahead of what is sent: those that are cut, and those of which only what changed is read. */
const READ_AHEAD = 3;
const CHANGED_AHEAD = INGEST_WINDOW;

/** So many are sent and cut at a time. */
export function makeSlots(): RegionSlots {
  return new RegionSlots(INGEST_WINDOW + READ_AHEAD);
}

/** Sends one volume, over one connection after another. */
export class VolumeSender {
  readonly #options: VolumeSenderOptions;
  #readBytes = 0;
  #sentBytes = 0;
  #isFinished = false;

  constructor(options: VolumeSenderOptions) {
    this.#options = options;
  }

  get counts(): SendCounts {
    return { readBytes: this.#readBytes, sentBytes: this.#sentBytes };
  }

  /** @param from the first region that the server does not have */
  async send(stream: UploadStream, from: number): Promise<void> {
    if (this.#options.byChanges) await this.#sendChanges(stream, from);
    else await this.#sendCompared(stream, from);
  }

  /** The server has it all. */
  async finish(root: string): Promise<void> {
    const { volume, writer } = this.#options;
    this.#isFinished = true;
    await writer?.finish({ root, sizeBytes: volume.sizeBytes });
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (!this.#isFinished) await this.#options.writer?.giveUp();
    this.#isFinished = true;
  }

  async #sendChanges(stream: UploadStream, from: number): Promise<void> {
    const { volume, index, reread } = this.#options;
    const memory = new BodyMemory();
    const wanted = withWanted(changedRegions(volume), reread, volume.sizeBytes);
    const regions = mapInOrder(fromRegion(wanted, from), CHANGED_AHEAD, (changed) =>
      readChanged(volume, changed, memory),
    );
    for await (const { region, data, zeros, body, read } of regions) {
      this.#readBytes += read.length;
      this.#sentBytes += body.length;
      stream.reached(index, region * REGION_BYTES);
      await stream.send({ t: 'blocks', volume: index, region, data, zeros }, body, BLOCKS);
      memory.giveBack(read);
    }
  }

  async #sendCompared(stream: UploadStream, from: number): Promise<void> {
    const { volume, index, fingerprints, writer } = this.#options;
    const reread = new Set(this.#options.reread);
    const pool = this.#options.pool();
    const slots = this.#options.slots();
    const inputs = fromRegion(regionsToCompare(volume, fingerprints), from);
    const regions = mapInOrder(inputs, READ_AHEAD, (input) => cutRegionOf(volume, input, pool, slots));
    for await (const cut of regions) {
      this.#readBytes += cut.readBytes;
      stream.reached(index, cut.region * REGION_BYTES);
      writer?.set(cut.region, cut.leafDigest);
      if (!reread.has(cut.region) && isUnchanged(cut, fingerprints)) slots.giveBack(cut.slot);
      else await this.#sendLeaf(stream, cut, slots);
    }
  }

  async #sendLeaf(stream: UploadStream, { region, leaf, slot }: CutRegion, slots: RegionSlots): Promise<void> {
    await stream.send({ t: 'leaf', volume: this.#options.index, region }, leaf, {
      chunks: (wanted) => this.#chunks(leaf, slot, wanted),
      over: () => {
        slots.giveBack(slot);
      },
    });
  }

  #chunks(leaf: Buffer, slot: RegionSlot, wanted: readonly number[]): Buffer {
    const chunks = decodeLeaf(leaf);
    const body = bytesOf(
      slot,
      wanted.flatMap((index) => chunks[index] ?? []),
    );
    this.#sentBytes += body.length;
    return body;
  }
}

/**
 * Chunks of a region, one behind the other. They are sent from the slot's own memory, which stays as it is until the region is
 * settled: new memory for each region took the processor more time than copying into it.
 */
function bytesOf({ region, frames }: RegionSlot, chunks: readonly ChunkRef[]): Buffer {
  const from = Buffer.from(region);
  const first = (chunks[0]?.firstBlock ?? 0) * BLOCK_BYTES;
  let end = first;
  const areNeighbours = chunks.every(({ firstBlock, blocks }) => {
    const isNext = firstBlock * BLOCK_BYTES === end;
    end += blocks * BLOCK_BYTES;
    return isNext;
  });
  if (areNeighbours) return from.subarray(first, end);
  const body = Buffer.from(frames);
  let length = 0;
  for (const { firstBlock, blocks } of chunks) {
    length += from.copy(body, length, firstBlock * BLOCK_BYTES, (firstBlock + blocks) * BLOCK_BYTES);
  }
  return body.subarray(0, length);
}

/** Blocks are sent at once: nothing is asked for, and what a lost connection takes with it is read again. */
const BLOCKS: SentRegion = { chunks: () => Buffer.alloc(0), over: () => undefined };

/** Those from a region on. */
async function* fromRegion<T extends { readonly region: number }>(
  regions: AsyncIterable<T>,
  first: number,
): AsyncGenerator<T> {
  for await (const region of regions) if (region.region >= first) yield region;
}

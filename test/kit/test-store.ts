import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../../src/codec/formats.js';
import { makeCompressor } from '../../src/codec/compression.js';
import { cutRegion, type CuttingSettings } from '../../src/codec/cutting.js';
import { digestOf } from '../../src/codec/digest.js';
import { encodeFrame } from '../../src/codec/frame.js';
import type { FrameKeys, FrameSeal } from '../../src/codec/frame-seal.js';
import { systemClock } from '../../src/common/clock.js';
import type { Listing } from '../../src/store/catalog.js';
import { newFormatRecord } from '../../src/store/format-record.js';
import type { KvStore } from '../../src/store/kv.js';
import { openMemoryKv } from '../../src/store/memory-kv.js';
import type { ShadowCopyRecord, VolumeRecord } from '../../src/store/records.js';
import type { IngestSession } from '../../src/store/session.js';
import type { VolumeChange } from '../../src/store/shadow-copy-change.js';
import { Store, type StoreParts } from '../../src/store/store.js';
import { decodeLeaf, encodeLeaf, regionCount } from '../../src/tree/node.js';
import { TreeBuilder } from '../../src/tree/tree-builder.js';
import { TreeReader } from '../../src/tree/tree-reader.js';
import { ManualClock } from './manual-clock.js';
import type { Random } from './random.js';

/** One seed for all test stores, so that a store can be opened again over the same databases. */
export const TEST_FORMAT = { ...newFormatRecord({ seed: '0123456789abcdef' }, 0), id: 'test' };

const compressor = makeCompressor(TEST_FORMAT.compression);

export interface Databases {
  readonly objects: KvStore;
  readonly meta: KvStore;
  /** What objects are sealed with, if they are. */
  readonly keys?: FrameKeys;
}

export function memoryDatabases(): Databases {
  return { objects: openMemoryKv(), meta: openMemoryKv() };
}

/**
 * @param syncedBytes what is synced batch by batch before all is flushed at once: tests have less to write than the store's own limit
 * @param parts clocks other than this machine's, and a format other than {@link TEST_FORMAT}
 */
export function openTestStore(
  databases: Databases = memoryDatabases(),
  syncedBytes?: number,
  parts: Partial<Pick<StoreParts, 'clock' | 'boot' | 'spend' | 'format'>> = {},
): Promise<Store> {
  const syncing = syncedBytes === undefined ? {} : { syncedBytes };
  return Store.open({ ...databases, format: TEST_FORMAT, clock: systemClock, ...syncing, ...parts });
}

/** Back up a machine of one volume from memory, in this thread: what a backup does, without workers and images. */
export async function backUp(
  store: Store,
  machine: string,
  content: Buffer,
  session = store.openSession(),
): Promise<ShadowCopyRecord> {
  try {
    const volume = await ingest(session, content, store.objectStore.seal);
    return await store.commit(session, {
      machine,
      timeMs: Date.now(),
      consistency: 'offline',
      tracker: 'scan',
      pauseMs: 0,
      volumes: [volume],
      config: [],
    });
  } finally {
    session.end();
  }
}

/** The same, as the machine's replica. @param timeMs what it shows */
export async function replicate(
  store: Store,
  machine: string,
  content: Buffer,
  timeMs = Date.now(),
): Promise<ShadowCopyRecord> {
  const session = store.openSession();
  try {
    const how = { consistency: 'crash', tracker: 'filter', pauseMs: 3, config: [], notes: ['a note'] } as const;
    const volumes = [await ingest(session, content)];
    return await store.commitReplica(session, { machine, timeMs, ...how, volumes, host: 'hv1', checkpoint: 'c' });
  } finally {
    session.end();
  }
}

/**
 * Make an empty shadow copy, forget it, and make it again in the same millisecond, by the clock: both have the same
 * record. One store never gives a name twice, so the store is opened again in between.
 * @returns the store as it was opened last
 */
export async function makeTwice(databases: Databases, machine: string): Promise<Store> {
  const clocks = { clock: new ManualClock(), boot: () => ({ id: 'boot', uptimeMs: 0 }) };
  const first = await openTestStore(databases, undefined, clocks);
  await makeEmpty(first, machine, 5);
  await first.forget(first.catalog.find(machine, 'latest'));
  const second = await openTestStore(databases, undefined, clocks);
  await makeEmpty(second, machine, 5);
  return second;
}

/** List a shadow copy without volumes. @returns its name */
export async function makeEmpty(
  store: Store,
  machine: string,
  timeMs: number,
  changes: readonly VolumeChange[] = [],
): Promise<string> {
  const session = store.openSession();
  const settings = { consistency: 'crash', tracker: 'scan', pauseMs: 0, volumes: [], config: [] } as const;
  const { name } = await store.commit(session, { machine, timeMs, changes, ...settings });
  session.end();
  return name;
}

/** Store the content of a volume, children before parents. */
export async function ingest(
  session: IngestSession,
  content: Buffer,
  seal?: FrameSeal,
  cutting: CuttingSettings = TEST_FORMAT.cutting,
): Promise<VolumeRecord> {
  const regions = regionCount(content.length);
  const builder = new TreeBuilder(regions, async (_, node) => (await session.addPlain(ObjectType.inner, node)).digest);
  const leaves: { region: number; leaf: Buffer }[] = [];
  let dataBytes = 0;
  for (let region = 0; region < regions; region++) {
    const bytes = regionOf(content, region);
    const chunks = cutRegion(bytes, cutting).map((cut) => ({ ...cut, plain: plainOf(bytes, cut) }));
    dataBytes += chunks.reduce((sum, { blocks }) => sum + blocks * BLOCK_BYTES, 0);
    const refs = chunks.map(({ firstBlock, blocks, plain }) => ({ firstBlock, blocks, digest: digestOf(plain) }));
    const found = await session.find(
      ObjectType.chunk,
      refs.map(({ digest }) => digest),
    );
    for (const [index, { plain }] of chunks.entries()) {
      const digest = refs[index]?.digest ?? new Uint8Array();
      if (found[index] === true) continue;
      const open = encodeFrame(ObjectType.chunk, plain, compressor, digest);
      const frame = seal?.seal(open, ObjectType.chunk, digest) ?? open;
      await session.add({ type: ObjectType.chunk, digest, plainBytes: plain.length, frame });
    }
    if (refs.length > 0) leaves.push({ region, leaf: encodeLeaf(refs) });
  }
  await session.barrier();
  for (const { region, leaf } of leaves)
    await builder.add(region, (await session.addPlain(ObjectType.leaf, leaf)).digest);
  const root = await builder.finish();
  return { name: 'vda', sizeBytes: content.length, dataBytes, root, source: { path: '/vda', format: 'raw' } };
}

/** Everything in a shadow copy's only volume, read chunk by chunk and checked. */
export async function readBack(store: Store, listing: Listing): Promise<Buffer> {
  const [volume] = (await store.record(listing)).volumes;
  if (volume === undefined) return Buffer.alloc(0);
  const content = Buffer.alloc(Math.ceil(volume.sizeBytes / BLOCK_BYTES) * BLOCK_BYTES);
  const tree = new TreeReader(store.reader, volume);
  for await (const { region, leaf } of tree.leaves()) {
    for (const { firstBlock, digest } of decodeLeaf(await store.reader.read(ObjectType.leaf, leaf))) {
      (await store.reader.read(ObjectType.chunk, digest)).copy(
        content,
        region * REGION_BYTES + firstBlock * BLOCK_BYTES,
      );
    }
  }
  return content.subarray(0, volume.sizeBytes);
}

/** A volume of `blocks` blocks, some of them holes. Few distinct contents, so that chunks are shared. */
export function randomVolume(random: Random, blocks: number): Buffer {
  const content = Buffer.alloc(blocks * BLOCK_BYTES - random.below(BLOCK_BYTES));
  scribble(random, content, blocks);
  return content;
}

/** Change about `writes` blocks of a volume, some of them to zeros. */
export function scribble(random: Random, content: Buffer, writes: number): void {
  const blocks = Math.ceil(content.length / BLOCK_BYTES);
  for (let write = 0; write < writes; write++) {
    const at = random.below(blocks) * BLOCK_BYTES;
    content.fill(random.chance(0.3) ? 0 : random.below(40) + 1, at, Math.min(at + BLOCK_BYTES, content.length));
    if (random.chance(0.3)) content.writeUInt16LE(random.below(1 << 16), Math.min(at, content.length - 2));
  }
}

function regionOf(content: Buffer, region: number): Buffer {
  const bytes = content.subarray(region * REGION_BYTES, (region + 1) * REGION_BYTES);
  const padded = Buffer.alloc(Math.ceil(bytes.length / BLOCK_BYTES) * BLOCK_BYTES);
  bytes.copy(padded);
  return padded;
}

function plainOf(region: Buffer, cut: { readonly firstBlock: number; readonly blocks: number }): Buffer {
  return region.subarray(cut.firstBlock * BLOCK_BYTES, (cut.firstBlock + cut.blocks) * BLOCK_BYTES);
}

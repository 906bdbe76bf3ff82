import type { DiskImage } from '../../agent/images/image.js';
import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../../src/codec/formats.js';
import type { ShadowCopyRecord, VolumeRecord } from '../../src/store/records.js';
import type { IngestSession } from '../../src/store/session.js';
import type { Store } from '../../src/store/store.js';
import { encodeLeaf } from '../../src/tree/node.js';
import { TreeBuilder } from '../../src/tree/tree-builder.js';
import { TreeReader } from '../../src/tree/tree-reader.js';
import { fakeImage } from './fake-image.js';

const REGIONS_PER_GIB = 1024 ** 3 / REGION_BYTES;
/** Regions that have data, evenly over the volume, of which each shadow copy changes one. */
const DATA_REGIONS = 8;

/** A machine with one sparse volume, of which shadow copies are made without reading any image: a thousand in a second. */
export class GrownMachine {
  readonly #store: Store;
  readonly #name: string;
  readonly #regions: number;
  /** The block in each region that has data. */
  readonly #blocks = new Map<number, Buffer>();
  #volume: VolumeRecord | undefined;
  #copies = 0;

  constructor(store: Store, gib: number, name = 'grown') {
    this.#store = store;
    this.#name = name;
    this.#regions = gib * REGIONS_PER_GIB;
  }

  /** Make more of them. @returns the last */
  async grow(copies: number): Promise<ShadowCopyRecord> {
    for (let more = 1; more < copies; more++) await this.#make();
    return await this.#make();
  }

  async #make(): Promise<ShadowCopyRecord> {
    const session = this.#store.openSession();
    try {
      const volume = await this.#ingest(session, this.#change());
      this.#volume = volume;
      this.#copies++;
      return await this.#store.commit(session, {
        machine: this.#name,
        timeMs: Date.UTC(2026, 0, 1) + this.#copies * 3_600_000,
        consistency: 'crash',
        tracker: 'scan',
        pauseMs: 0,
        volumes: [volume],
        config: [],
      });
    } finally {
      session.end();
    }
  }

  /** The volume as the next shadow copy of it will be, as an image. */
  changedImage(): DiskImage {
    this.#change();
    const image = fakeImage(new Uint8Array(), {
      extents: [...this.#blocks.keys()].map((region) => ({ offset: region * REGION_BYTES, length: BLOCK_BYTES })),
    });
    return {
      ...image,
      sizeBytes: this.#regions * REGION_BYTES,
      read: (target, offset) => {
        target.set(this.#blocks.get(offset / REGION_BYTES) ?? []);
        return Promise.resolve();
      },
    };
  }

  /** Of the newest shadow copy. */
  get volume(): VolumeRecord | undefined {
    return this.#volume;
  }

  /** A region that has data. */
  get lastDataRegion(): number {
    return [...this.#blocks.keys()].at(-1) ?? 0;
  }

  /** All that have data at first, then one after the other. @returns the regions */
  #change(): number[] {
    const all = Array.from({ length: DATA_REGIONS }, (_, index) => Math.floor((index * this.#regions) / DATA_REGIONS));
    const changed = this.#blocks.size === 0 ? all : all.slice(this.#copies % DATA_REGIONS).slice(0, 1);
    for (const region of changed) {
      this.#blocks.set(region, Buffer.alloc(BLOCK_BYTES, `${this.#name} ${this.#copies} ${region} `));
    }
    return changed;
  }

  async #ingest(session: IngestSession, regions: readonly number[]): Promise<VolumeRecord> {
    const leaves: { readonly region: number; readonly leaf: Buffer }[] = [];
    for (const region of regions) {
      const { digest } = await session.addPlain(ObjectType.chunk, this.#blocks.get(region) ?? Buffer.alloc(0));
      leaves.push({ region, leaf: encodeLeaf([{ firstBlock: 0, blocks: 1, digest }]) });
    }
    await session.barrier();
    const base = this.#volume && new TreeReader(this.#store.reader, this.#volume);
    const addNode = async (node: Buffer): Promise<Uint8Array> =>
      (await session.addPlain(ObjectType.inner, node)).digest;
    const builder = new TreeBuilder(this.#regions, (_, node) => addNode(node), base);
    for (const { region, leaf } of leaves) {
      await builder.add(region, (await session.addPlain(ObjectType.leaf, leaf)).digest);
    }
    const root = await builder.finish();
    const dataBytes = DATA_REGIONS * BLOCK_BYTES;
    const source = { path: '/grown.raw', format: 'raw' } as const;
    return { name: 'vda', sizeBytes: this.#regions * REGION_BYTES, dataBytes, root, source };
  }
}

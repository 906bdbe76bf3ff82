import type { Test } from 'tap';
import type { DiskImage } from '../../agent/images/image.js';
import { backUpMachine } from '../../src/backup/backup-machine.js';
import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../../src/codec/formats.js';
import { UmbraError } from '../../src/common/errors.js';
import type { BackupRequest, BackupResult, Progress } from '../../src/protocol/api.js';
import { FaultQueue } from '../../src/store/faults.js';
import { openFaultyKv } from '../../src/store/faulty-kv.js';
import type { KvStore } from '../../src/store/kv.js';
import { openMemoryKv } from '../../src/store/memory-kv.js';
import type { Store } from '../../src/store/store.js';
import { WorkerPool } from '../../src/workers/pool.js';
import { chunksOf } from './damage.js';
import { fakeImage } from './fake-image.js';
import { memoryDatabases, openTestStore, TEST_FORMAT, type Databases } from './test-store.js';

/** What a test says of one backup; the rest has defaults. */
export interface BackupOptions {
  readonly configs?: readonly string[];
  readonly reread?: boolean;
  readonly signal?: AbortSignal;
  readonly progress?: (progress: Progress) => void;
}

export type Images = Readonly<Record<string, Uint8Array | DiskImage>>;

/** Machines backed up into a store in memory, whose databases fail when `faults` says so. */
export class MachineBackups {
  readonly store: Store;
  readonly faults: { readonly objects: FaultQueue; readonly meta: FaultQueue };
  readonly pool: WorkerPool;

  readonly #disk: Databases;

  private constructor(store: Store, faults: MachineBackups['faults'], pool: WorkerPool, disk: Databases) {
    this.store = store;
    this.faults = faults;
    this.pool = pool;
    this.#disk = disk;
  }

  static async open(pool: WorkerPool, disk = memoryDatabases()): Promise<MachineBackups> {
    const faults = { objects: new FaultQueue(), meta: new FaultQueue() };
    const objects = openFaultyKv(disk.objects, faults.objects);
    const meta = openFaultyKv(disk.meta, faults.meta);
    return new MachineBackups(await openTestStore({ objects, meta }), faults, pool, disk);
  }

  /** A copy of the store, as another process would find it after this one was killed: nothing is in its caches. */
  async reopen(): Promise<MachineBackups> {
    const copy = async (from: KvStore): Promise<KvStore> => {
      const entries: (readonly [Uint8Array, Uint8Array])[] = [];
      for await (const entry of from.entries()) entries.push(entry);
      return openMemoryKv(entries);
    };
    return MachineBackups.open(this.pool, {
      objects: await copy(this.#disk.objects),
      meta: await copy(this.#disk.meta),
    });
  }

  /** Make a shadow copy of `images`, by volume name. The store's clock stands still: it is the same second for all. */
  backUp(machine: string, images: Images, options: BackupOptions = {}): Promise<BackupResult> {
    const { signal = new AbortController().signal, progress = () => undefined } = options;
    const { configs = [], reread = false } = options;
    const request: BackupRequest = {
      machine,
      images: Object.keys(images).map((name) => ({ path: name, name })),
      configs,
      reread,
    };
    const openImage = (name: string): Promise<DiskImage> => {
      const image = images[name];
      if (image === undefined) return Promise.reject(new UmbraError('IMAGE_NOT_FOUND', `there is no image ${name}`));
      return Promise.resolve(image instanceof Uint8Array ? fakeImage(image) : image);
    };
    const clock = { now: () => Date.UTC(2026, 10, 22), monotonic: () => 0, after: () => () => undefined };
    return backUpMachine({ store: this.store, pool: this.pool, clock, request, signal, progress, openImage });
  }

  /** All volumes of a shadow copy as they read back. */
  async volumes(machine: string, version: string): Promise<Map<string, Buffer>> {
    const record = await this.store.record(this.store.catalog.find(machine, version));
    const contents = new Map<string, Buffer>();
    for (const volume of record.volumes) {
      const content = Buffer.alloc(Math.ceil(volume.sizeBytes / BLOCK_BYTES) * BLOCK_BYTES);
      for (const { region, chunk } of await chunksOf(this.store, volume)) {
        (await this.store.reader.read(ObjectType.chunk, chunk.digest)).copy(
          content,
          region * REGION_BYTES + chunk.firstBlock * BLOCK_BYTES,
        );
      }
      contents.set(volume.name, content.subarray(0, volume.sizeBytes));
    }
    return contents;
  }

  /** Names of the listed shadow copies of a machine. */
  listed(machine: string): string[] {
    return this.store.catalog.shadowCopies(machine).map(({ name }) => name);
  }
}

/** A pool of two threads for the stores of one test. */
export function testPool(t: Test): WorkerPool {
  const pool = new WorkerPool(TEST_FORMAT, 2);
  t.teardown(() => pool.close());
  return pool;
}

/** Fails unless all slots of the pool come back: takes each of them at once. */
export async function assertSlotsFree(t: Test, pool: WorkerPool): Promise<void> {
  const slots = await Promise.all(Array.from({ length: pool.size * 2 }, () => pool.slots.take()));
  t.equal(new Set(slots).size, pool.size * 2, 'all slots were given back');
  for (const slot of slots) pool.slots.giveBack(slot);
}

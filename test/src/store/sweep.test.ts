import t, { type Test } from 'tap';

import { BLOCK_BYTES, MetaPrefix, ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import { readFrameHeader } from '../../../src/codec/frame.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { Listing } from '../../../src/store/catalog.js';
import { FaultQueue } from '../../../src/store/faults.js';
import { openFaultyKv } from '../../../src/store/faulty-kv.js';
import type { KvOperation, KvReader } from '../../../src/store/kv.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { rebuildMeta } from '../../../src/store/rebuild.js';
import type { PackedObject } from '../../../src/store/session.js';
import type { Store } from '../../../src/store/store.js';
import { openJitteryKv } from '../../kit/jittery-kv.js';
import { openPowerCutKv } from '../../kit/power-cut-kv.js';
import { Random, testSeed } from '../../kit/random.js';
import { assertContents, assertNoGarbage, keyOf, listingOf, QUIET } from '../../kit/store-model.js';
import {
  backUp,
  ingest,
  memoryDatabases,
  openTestStore,
  randomVolume,
  readBack,
  scribble,
  type Databases,
} from '../../kit/test-store.js';

// What collection promises while others work, and over crashes.

t.test('content that two sessions stored, one after the other, stays while one of them is open', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const content = new Random(1).bytes(3 * BLOCK_BYTES);
  const chunks = await chunksOf(content);
  const first = store.openSession();
  const second = store.openSession();
  for (const { type, digest } of chunks) t.same(await second.find(type, [digest]), [false]);
  const volume = await ingest(first, content);
  await first.barrier();
  for (const chunk of chunks) await second.add(chunk);
  await second.barrier();
  second.end();
  await store.collect(QUIET);
  const record = {
    machine: 'a',
    timeMs: 0,
    consistency: 'crash',
    tracker: 'scan',
    pauseMs: 0,
    volumes: [volume],
    config: [],
  } as const;
  await store.commit(first, record);
  first.end();
  t.ok((await readBack(store, listingOf(store, 'a'))).equals(content));
  await store.collect(QUIET);
  await assertNoGarbage(t, store, databases);
});

/** The chunks of `content` as they are stored. */
async function chunksOf(content: Buffer): Promise<PackedObject[]> {
  const databases = memoryDatabases();
  await backUp(await openTestStore(databases), 'x', content);
  const chunks: PackedObject[] = [];
  for await (const [, frame] of databases.objects.entries()) {
    const { type, digest, plainBytes } = readFrameHeader(frame);
    if (type === ObjectType.chunk) chunks.push({ type, digest, plainBytes, frame });
  }
  return chunks;
}

t.test('what is condemned is stored again, not referred to', async (t) => {
  const inner = memoryDatabases();
  const faults = new FaultQueue();
  const databases = { objects: inner.objects, meta: openFaultyKv(inner.meta, faults) };
  const store = await openTestStore(databases);
  const content = new Random(2).bytes(3 * BLOCK_BYTES);
  await backUp(store, 'a', content);
  await store.forget(listingOf(store, 'a'));
  let goOn = (): void => undefined;
  const until = new Promise<void>((resolve) => (goOn = resolve));
  let atDeletion = (): void => undefined;
  const deletes = new Promise<void>((resolve) => (atDeletion = resolve));
  // The second deletion of digests: the first is of records.
  const isDeletion = ({ operations }: { readonly operations: readonly KvOperation[] }): boolean => {
    const is = operations.some(
      ({ type, key }) => type === 'del' && key[0] === MetaPrefix.digest && key[1] === ObjectType.chunk,
    );
    if (is) atDeletion();
    return is;
  };
  faults.push({ on: 'write', match: isDeletion, until });
  const collecting = store.collect(QUIET);
  await deletes;
  const session = store.openSession();
  for (const { type, digest } of await chunksOf(content)) t.same(await session.find(type, [digest]), [false]);
  const backingUp = backUp(store, 'b', content, session);
  goOn();
  await Promise.all([collecting, backingUp]);
  faults.assertAllFired();
  t.ok((await readBack(store, listingOf(store, 'b'))).equals(content));
  await store.collect(QUIET);
  await assertNoGarbage(t, store, inner);
});

t.test('beside backups, forgetting and readers, in random order', async (t) => {
  const seed = testSeed(t);
  let backups = 0;
  let collections = 0;
  for (let round = 0; round < 25; round++) {
    const random = new Random(seed + round);
    const inner = memoryDatabases();
    const store = await openTestStore({
      objects: openJitteryKv(inner.objects, random),
      meta: openJitteryKv(inner.meta, random),
    });
    const world = new World(store, random);
    let working = true;
    const collecting = async (): Promise<void> => {
      while (working) {
        await store.collect(QUIET);
        collections++;
        for (let pause = random.below(30); pause > 0; pause--) await new Promise(setImmediate);
      }
    };
    const work = Promise.all(['a', 'b', 'c'].map((machine) => world.work(t, machine))).finally(() => {
      working = false;
    });
    await Promise.all([work, collecting(), world.read(t, () => working)]);
    backups += world.models.size;
    await store.collect(QUIET);
    await store.collect(QUIET);
    await assertContents(t, store, world.models);
    await assertNoGarbage(t, store, inner);
    if (!t.passing()) {
      t.comment(`round ${round}`);
      return;
    }
  }
  t.comment(`${backups} shadow copies at the end, ${collections} collections`);
  t.ok(backups > 50 && collections > 50, 'the test did something');
});

/** Machines that are backed up, given up and forgotten, and what their shadow copies must hold. */
class World {
  readonly models = new Map<string, Buffer>();
  readonly #store: Store;
  readonly #random: Random;
  /** Shared, so that machines have content in common. */
  readonly #content: Buffer;

  constructor(store: Store, random: Random) {
    this.#store = store;
    this.#random = random;
    this.#content = randomVolume(random, 60);
  }

  async work(t: Test, machine: string): Promise<void> {
    for (let turn = 0; turn < 8; turn++) {
      for (let pause = this.#random.below(10); pause > 0; pause--) await new Promise(setImmediate);
      const dice = this.#random.fraction();
      if (dice < 0.25) await this.#forget(machine);
      else if (dice < 0.4) await this.#giveUp();
      else if (dice < 0.55) await this.#again(machine);
      else await this.#backUp(machine);
    }
    t.ok(this.models.size >= 0);
  }

  /** Read shadow copies that may be forgotten while they are read. */
  async read(t: Test, working: () => boolean): Promise<void> {
    while (working()) {
      await new Promise(setImmediate);
      const listings = [...this.#store.catalog.all()];
      const listing = listings[this.#random.below(listings.length)];
      if (listing === undefined) continue;
      const giveBack = this.#store.leases.take(listing);
      const model = this.models.get(keyOf(listing));
      const content = await readBack(this.#store, listing);
      giveBack();
      if (model !== undefined && !content.equals(model)) t.fail(`${keyOf(listing)} was read wrongly`);
    }
  }

  async #backUp(machine: string): Promise<void> {
    if (this.#random.chance(0.7)) scribble(this.#random, this.#content, 6);
    const content = Buffer.from(this.#content.subarray(this.#random.chance(0.2) ? 4096 * 7 : 0));
    this.models.set(keyOf(await backUp(this.#store, machine, content)), content);
  }

  /** A new shadow copy that refers to its leased parent's tree without a look-up, while the parent may be forgotten. */
  async #again(machine: string): Promise<void> {
    const parent = this.#store.catalog.latest(machine);
    if (parent === undefined) return;
    const giveBack = this.#store.leases.take(parent);
    const session = this.#store.openSession();
    try {
      const record = await this.#store.record(parent);
      const model = this.models.get(keyOf(parent));
      if (this.#random.chance(0.5)) await this.#forget(machine);
      for (let pause = this.#random.below(40); pause > 0; pause--) await new Promise(setImmediate);
      const again = await this.#store.commit(session, { ...record, timeMs: Date.now() });
      if (model !== undefined) this.models.set(keyOf(again), model);
    } finally {
      session.end();
      giveBack();
    }
  }

  async #giveUp(): Promise<void> {
    const session = this.#store.openSession();
    const end = this.#random.below(20);
    const ending = (async () => {
      for (let pause = end; pause > 0; pause--) await new Promise(setImmediate);
      session.end();
    })();
    scribble(this.#random, this.#content, 3);
    await ingest(session, Buffer.from(this.#content)).catch((error: unknown) => {
      if ((error as { code?: string }).code !== 'CANCELLED') throw error;
    });
    await ending;
  }

  async #forget(machine: string): Promise<void> {
    const listings: readonly Listing[] = this.#store.catalog.shadowCopies(machine);
    const listing = listings[this.#random.below(listings.length)];
    if (listing === undefined) return;
    this.models.delete(keyOf(listing));
    await this.#store.forget(listing);
  }
}

t.test('a power cut in the middle of deleting loses nothing, and the next collection leaves no garbage', async (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 40; round++) {
    const databases = {
      objects: openPowerCutKv({ random }),
      meta: openPowerCutKv({ random, reordering: random.chance(0.5) }),
    };
    const models = await prepare(random, databases);
    const store = await openTestStore(databases);
    let running = true;
    const collecting = store.collect(QUIET).catch((error: unknown) => {
      if (running) throw error;
    });
    for (let turn = random.below(120); turn > 0; turn--)
      await (random.chance(0.1) ? new Promise(setImmediate) : Promise.resolve());
    running = false;
    const survived = { objects: databases.objects.powerCut(), meta: databases.meta.powerCut() };
    await collecting;
    await assertRebuilt(t, survived, models);
    const reopened = await openTestStore(survived);
    await assertContents(t, reopened, models);
    t.equal([...reopened.catalog.all()].length, models.size, 'what was forgotten stays so');
    await reopened.collect(QUIET);
    await reopened.collect(QUIET);
    await assertContents(t, reopened, models);
    await assertNoGarbage(t, reopened, survived);
    if (!t.passing()) {
      t.comment(`round ${round}`);
      return;
    }
  }
});

/** Shadow copies, forgotten ones, an abandoned upload and a record that a crash kept off the list. */
async function prepare(random: Random, databases: Databases): Promise<Map<string, Buffer>> {
  const models = new Map<string, Buffer>();
  const store = await openTestStore(databases);
  const content = randomVolume(random, 30);
  for (let version = 0; version < 5; version++) {
    scribble(random, content, 12);
    const copy = Buffer.from(content);
    models.set(keyOf(await backUp(store, 'a', copy)), copy);
  }
  for (const listing of [...store.catalog.all()]) {
    if (random.chance(0.5)) continue;
    models.delete(keyOf(listing));
    await store.forget(listing);
  }
  const session = store.openSession();
  await ingest(session, random.bytes(30_000));
  session.end();
  return models;
}

/** Rebuilding at this moment gives the same shadow copies, all of them whole. */
async function assertRebuilt(
  t: Test,
  { objects }: { readonly objects: KvReader },
  models: ReadonlyMap<string, Buffer>,
): Promise<void> {
  const meta = openMemoryKv();
  await rebuildMeta(objects, meta, QUIET);
  const copy = openMemoryKv();
  for await (const [key, value] of objects.entries()) await copy.write([{ type: 'put', key, value }], { sync: true });
  const rebuilt = await openTestStore({ objects: copy, meta });
  await assertContents(t, rebuilt, models);
  t.equal([...rebuilt.catalog.all()].length, models.size);
}

t.test('a record that was never listed goes before its chunks, so that rebuilding never finds it torn', async (t) => {
  const content = Buffer.alloc(9 * REGION_BYTES);
  // More chunks than are deleted in one step.
  for (let at = 0; at < content.length; at += 2 * BLOCK_BYTES) content.writeUInt32LE(at + 1, at);
  const { objects, meta } = memoryDatabases();
  const faults = new FaultQueue();
  const store = await openTestStore({ objects, meta: openFaultyKv(meta, faults) });
  const isListing = ({ operations }: { readonly operations: readonly KvOperation[] }): boolean =>
    operations.some(({ key }) => key[0] === MetaPrefix.catalog);
  faults.push({ on: 'write', match: isListing, error: new UmbraError('STORE_FULL', 'full') });
  await t.rejects(backUp(store, 'a', content), { code: 'STORE_FULL' });
  faults.assertAllFired();
  for (let steps = 1; steps <= 2; steps++) {
    const abort = new AbortController();
    let left = steps;
    const progress = (): void => {
      if (--left === 0) abort.abort(new RangeError('stopped'));
    };
    await t.rejects(store.collect({ signal: abort.signal, progress }), { message: 'stopped' });
    await assertRebuilt(t, { objects }, new Map());
  }
});

import t from 'tap';

import { VolumeBackup } from '../../../src/backup/backup-volume.js';
import { ObjectType } from '../../../src/codec/formats.js';
import { parsePolicies } from '../../../src/policies/parse-policies.js';
import { prune } from '../../../src/server/prune.js';
import { storeStats } from '../../../src/store/stats.js';
import type { Store } from '../../../src/store/store.js';
import { TreeReader } from '../../../src/tree/tree-reader.js';
import { WorkerPool } from '../../../src/workers/pool.js';
import { countingKv, type CountingKv, type KvCounts } from '../../kit/counting-kv.js';
import { GrownMachine } from '../../kit/grown-machine.js';
import { memoryDatabases, openTestStore, TEST_FORMAT } from '../../kit/test-store.js';

/** What is asked of LevelDB, by how much there is: nothing may grow with what it does not touch. */
const FEW = 10;
const MANY = 100;
/** Trees of one level of inner nodes, and of two. */
const SMALL_GIB = 1;
const LARGE_GIB = 100;

interface Grown {
  readonly copies: number;
  readonly gib: number;
  readonly machine: GrownMachine;
  /** What was read of both databases since this was asked last. */
  readonly take: () => { readonly meta: KvCounts; readonly objects: KvCounts };
  /** The same store, with empty caches. */
  readonly reopen: () => Promise<Store>;
}

async function grow(copies: number, gib: number): Promise<Grown> {
  const databases = memoryDatabases();
  const counting = { meta: countingKv(databases.meta), objects: countingKv(databases.objects) };
  const open = (): Promise<Store> => openTestStore({ meta: counting.meta.kv, objects: counting.objects.kv });
  const machine = new GrownMachine(await open(), gib);
  await machine.grow(copies);
  const take = (): ReturnType<Grown['take']> => takeOf(counting);
  return { copies, gib, machine, take, reopen: open };
}

function takeOf({ meta, objects }: Readonly<Record<'meta' | 'objects', CountingKv>>): ReturnType<Grown['take']> {
  return { meta: meta.take(), objects: objects.take() };
}

const few = await grow(FEW, SMALL_GIB);
const many = await grow(MANY, SMALL_GIB);
const fewLarge = await grow(FEW, LARGE_GIB);
const manyLarge = await grow(MANY, LARGE_GIB);

type Reads = Readonly<Record<'few' | 'many' | 'fewLarge' | 'manyLarge', ReturnType<Grown['take']>>>;

/** What `use` reads of stores of few and of many shadow copies, of small and of large volumes, in a server that has just begun. */
async function readsOf(use: (store: Store, grown: Grown) => Promise<unknown>): Promise<Reads> {
  const readsIn = async (grown: Grown): Promise<ReturnType<Grown['take']>> => {
    const store = await grown.reopen();
    grown.take();
    await use(store, grown);
    return grown.take();
  };
  return {
    few: await readsIn(few),
    many: await readsIn(many),
    fewLarge: await readsIn(fewLarge),
    manyLarge: await readsIn(manyLarge),
  };
}

t.test('a collection reads each distinct node once, and each record', async (t) => {
  for (const { copies, gib, take, reopen } of [few, many, fewLarge, manyLarge]) {
    const store = await reopen();
    const { nodes, chunks } = await storeStats(store);
    take();
    await store.collect(collecting());
    const { meta, objects } = take();
    const settings = 1;
    t.equal(objects.lookUps, nodes + copies + settings, `${copies} of ${gib} GiB`);
    // To mark them, and to read them; children of a new node are looked up to be told from those that are marked.
    const children = 8;
    t.ok(meta.lookUps <= 2 * nodes + 2 * copies + chunks + copies * children * 2, `${meta.lookUps} look-ups`);
    // Twice the whole index: to find the records, and to sweep.
    t.ok(meta.iterated <= 2 * (nodes + chunks + copies) + 10, `${meta.iterated} entries`);
  }
});

t.test('a collection asks LevelDB for many at once', async (t) => {
  const reads = await readsOf((store) => store.collect(collecting()));
  const callsForEach = (reads.many.meta.calls - reads.few.meta.calls) / (MANY - FEW);
  // Of 64 at once a record, a node and a leaf: to mark them, and to read them; and the leaf's chunks.
  t.ok(callsForEach <= 0.5, `${callsForEach} calls for each shadow copy`);
});

t.test('opening a shadow copy reads its record and one way down its tree', async (t) => {
  for (const which of ['oldest', 'newest'] as const) {
    const reads = await readsOf(async (store, { machine }) => {
      const listing = store.catalog.shadowCopies('grown').at(which === 'oldest' ? 0 : -1);
      const [volume] = listing === undefined ? [] : (await store.record(listing)).volumes;
      if (volume === undefined) throw new RangeError('no volume');
      const [chunk] = await new TreeReader(store.reader, volume).chunks(machine.lastDataRegion);
      await store.reader.read(ObjectType.chunk, chunk?.digest ?? new Uint8Array());
    });
    t.same(reads.many, reads.few, which);
    t.same(reads.manyLarge, reads.fewLarge, which);
    t.match(reads.few.objects, { lookUps: 4, iterated: 0 }, 'record, node, leaf, chunk');
    t.match(reads.fewLarge.objects, { lookUps: 5, iterated: 0 }, 'one node more');
  }
});

t.test('a server that starts walks the catalog and looks nothing up for each shadow copy', async (t) => {
  const reads = await readsOf((_, { reopen }) => reopen());
  t.equal(reads.many.meta.lookUps, reads.few.meta.lookUps);
  t.equal(reads.many.meta.calls, reads.few.meta.calls);
  const iterated = reads.many.meta.iterated - reads.few.meta.iterated;
  t.equal(iterated, 2 * (MANY - FEW), 'a listing and the name of a record for each');
  t.same(reads.many.objects, reads.few.objects, 'no record is read');
  t.same(reads.manyLarge, reads.many);
});

t.test('listing reads what it shows, at once', async (t) => {
  const reads = await readsOf((store) => store.summaries(store.catalog.shadowCopies('grown')));
  t.same(reads.few.meta, { calls: 1, lookUps: FEW, iterated: 0 });
  t.same(reads.many.meta, { calls: 1, lookUps: MANY, iterated: 0 });
  t.equal(reads.many.objects.calls, 0);
  t.same(reads.manyLarge, reads.many);
});

// From here on shadow copies come and go.

t.test('a backup reads its base, and not the other shadow copies nor the holes', async (t) => {
  const pool = new WorkerPool(TEST_FORMAT, 1);
  t.teardown(() => pool.close());
  const reads = await readsOf(async (store, { machine }) => {
    const { volume: parent } = machine;
    if (parent === undefined) throw new RangeError('no shadow copy');
    const session = store.openSession();
    const { signal } = new AbortController();
    const image = machine.changedImage();
    const shared = { session, pool, reader: store.reader, distrustParent: false, signal, onRead: () => undefined };
    const { root, dataBytes, result } = await new VolumeBackup({ name: 'vda', image, parent, ...shared }).run();
    t.match(result, { changedBytes: 4096, newChunks: 1 });
    await store.commit(session, {
      machine: 'grown',
      timeMs: Date.UTC(2026, 6, 1),
      consistency: 'crash',
      tracker: 'scan',
      pauseMs: 0,
      volumes: [{ ...parent, root, dataBytes }],
      config: [],
    });
    session.end();
  });
  t.same(reads.many, reads.few);
  t.same(reads.manyLarge, reads.fewLarge);
  // One level more, of which each of the 8 regions has a node of its own.
  t.ok(reads.fewLarge.objects.lookUps <= reads.few.objects.lookUps + 8, `${reads.fewLarge.objects.lookUps} objects`);
  t.ok(reads.fewLarge.meta.lookUps <= reads.few.meta.lookUps + 3 * 8, `${reads.fewLarge.meta.lookUps} look-ups`);
});

t.test('forgetting one reads nothing of the others', async (t) => {
  const reads = await readsOf((store, { copies }) => {
    const middle = store.catalog.shadowCopies('grown')[copies / 2];
    if (middle === undefined) throw new RangeError('no shadow copy');
    return store.forget(middle);
  });
  t.same(reads.many, reads.few);
  t.same(reads.manyLarge, reads.few);
});

t.test('pruning looks at what it deletes, and not at what it keeps', async (t) => {
  const kept = await readsOf(async (store, { copies }) => {
    t.match(await pruneTo(store, copies - 1, false), { kept: copies - 1, deleted: 1 });
  });
  t.same(kept.many, kept.few, 'one is deleted, whatever there is');
  t.same(kept.manyLarge, kept.few);
  const dry = await readsOf(async (store, { copies }) => {
    t.match(await pruneTo(store, 8, true), { kept: 8, deleted: copies - 9 });
  });
  t.equal(dry.many.objects.calls, 0);
  t.match(dry.many.meta, { lookUps: 1, iterated: 0 }, 'whose machine it is decides on how it is protected');
  t.same(dry.manyLarge, dry.many);
});

function pruneTo(store: Store, last: number, dryRun: boolean): ReturnType<typeof prune> {
  const keep = `{ counting: restic, last: ${last} }`;
  const text = `default: a\npolicies: { a: { shadowCopies: { every: 1h }, keep: ${keep} } }\n`;
  return prune({
    dryRun,
    store,
    policies: parsePolicies(text, 'test', 0),
    machines: [{ machine: 'grown' }],
    nowMs: Date.UTC(2026, 7, 1),
    signal: new AbortController().signal,
    emit: () => Promise.resolve(),
    forget: (listing, options) => store.forget(listing, options),
  });
}

function collecting(): Parameters<Store['collect']>[0] {
  return { signal: new AbortController().signal, progress: () => undefined };
}

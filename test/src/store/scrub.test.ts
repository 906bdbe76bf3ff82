import { join } from 'node:path';
import t from 'tap';
import { ObjectType } from '../../../src/codec/formats.js';
import { objectKey, scrubKey, sequenceKey } from '../../../src/store/keys.js';
import { findSequences } from '../../../src/store/object-index.js';
import { openLevelKv } from '../../../src/store/level-kv.js';
import { parseTables } from '../../../src/store/level-tables.js';
import { Scrub } from '../../../src/store/scrub.js';
import { ScrubMarks } from '../../../src/store/scrub-marks.js';
import type { Moment } from '../../../src/store/scrub-plan.js';
import type { Store } from '../../../src/store/store.js';
import { WorkerPool } from '../../../src/workers/pool.js';
import { Random, testSeed } from '../../kit/random.js';
import { damageObject, damageValue, objectsOf } from '../../kit/store-damage.js';
import { shortenKey, tableFiles } from '../../kit/table-damage.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { backUp, memoryDatabases, openTestStore, TEST_FORMAT, type Databases } from '../../kit/test-store.js';

const pool = new WorkerPool(TEST_FORMAT, 1);
t.teardown(() => pool.close());
const signal = new AbortController().signal;
const PERIOD = 1_000_000;

class Bench {
  nowMs = 1000;
  readonly databases: Databases;
  store: Store;

  private constructor(databases: Databases, store: Store) {
    this.databases = databases;
    this.store = store;
  }

  static async open(databases = memoryDatabases()): Promise<Bench> {
    return new Bench(databases, await openTestStore(databases));
  }

  scrub(): Promise<Scrub> {
    const now = (): Moment => ({ wallMs: this.nowMs, trustedMs: this.nowMs });
    // Eight chunks have 2 MiB at most, which is what one step reads.
    return Scrub.open({ store: this.store, pool: () => pool, now, segmentObjects: 8 });
  }

  /** Read all that is older than now. @returns how many steps that took */
  async readAll(scrub: Scrub): Promise<number> {
    const begin = { wallMs: ++this.nowMs, trustedMs: this.nowMs };
    let steps = 0;
    await scrub.look();
    while (scrub.hasOlder(begin)) {
      await scrub.step(signal);
      steps++;
    }
    return steps;
  }
}

async function objectCount({ objects }: Databases): Promise<number> {
  let count = 0;
  for await (const key of objects.keys()) count += key.length > 0 ? 1 : 0;
  return count;
}

t.test('it reads every object, finds what is damaged, and what it has read is noted', async (t) => {
  const random = new Random(testSeed(t));
  const bench = await Bench.open();
  await backUp(bench.store, 'web', random.bytes(6_000_000));
  const scrub = await bench.scrub();
  const total = await objectCount(bench.databases);
  t.match(await scrub.figures(PERIOD), { readSince: undefined, pass: { begin: undefined, readObjects: 0 } });
  t.ok((await bench.readAll(scrub)) > 2, 'in small steps');
  const read = await scrub.figures(PERIOD);
  t.match(read, { unreadObjects: 0, objects: total, pass: { readObjects: total } });
  t.equal(read.readSince?.wallMs, bench.nowMs);
  t.notOk(bench.store.objectStore.hasDamage);
  t.equal(scrub.othersReads, 0, 'all that was read it has read itself');

  const [chunk] = await objectsOf(bench.databases.objects, ObjectType.chunk);
  const [leaf] = await objectsOf(bench.databases.objects, ObjectType.leaf);
  for (const object of [chunk, leaf]) if (object !== undefined) await damageObject(random, bench.databases, object);
  // A process that comes later goes on from what was noted.
  const later = await Bench.open(bench.databases);
  later.nowMs = bench.nowMs;
  const again = await later.scrub();
  t.match(await again.figures(PERIOD), { objects: total, unreadObjects: 0, oldestMs: 0 });
  await later.readAll(again);
  t.equal(later.store.objectStore.quarantined.size, 2);
  t.equal((await openTestStore(bench.databases)).objectStore.quarantined.size, 2, 'durably');
});

t.test('what is stored while it reads is read too, and what was collected is forgotten', async (t) => {
  const random = new Random(testSeed(t));
  const bench = await Bench.open();
  const scrub = await bench.scrub();
  await backUp(bench.store, 'web', random.bytes(5_000_000));
  await scrub.look();
  const before = await scrub.figures(PERIOD);
  t.equal(before.objects, bench.store.objectStore.log.nextSequence, 'new objects are known');
  await scrub.step(signal);
  t.notOk(scrub.isReading, 'a small segment is one step');
  await backUp(bench.store, 'db', random.bytes(3_000_000));
  await bench.readAll(scrub);
  t.equal((await scrub.figures(PERIOD)).objects, await objectCount(bench.databases));
  await bench.store.forget(bench.store.catalog.find('web', 'latest'));
  await bench.store.collect({ signal, progress: () => undefined });
  await bench.readAll(scrub);
  const left = await objectCount(bench.databases);
  t.equal((await scrub.figures(PERIOD)).objects, left);
  t.notOk(bench.store.objectStore.hasDamage);
  const marks = await new ScrubMarks(bench.databases.meta).all();
  t.equal(
    [...marks.values()].reduce((sum, { objects }) => sum + objects, 0),
    left,
    'nothing is noted of what is gone',
  );
});

t.test('objects are counted where they were stored by several processes, and nothing else is', async (t) => {
  const random = new Random(testSeed(t));
  const databases = memoryDatabases();
  for (const machine of ['web', 'db', 'mail']) {
    const bench = await Bench.open(databases);
    await backUp(bench.store, machine, random.bytes(300_000));
    const scrub = await bench.scrub();
    const count = await objectCount(databases);
    t.match(await scrub.figures(PERIOD), { objects: count, unreadObjects: count });
    // These are met, and not noted, before the next process comes.
    await backUp(bench.store, `${machine}2`, random.bytes(300_000));
    const more = await objectCount(databases);
    t.match(await (await bench.scrub()).figures(PERIOD), { objects: more, unreadObjects: more });
    await scrub.look();
    t.equal((await scrub.figures(PERIOD)).objects, more);
  }
});

t.test('a part of the store that a process filled to its last number is counted by those after the next', async (t) => {
  const random = new Random(testSeed(t));
  const first = await Bench.open();
  await backUp(first.store, 'web', random.bytes(1000));
  await first.scrub();
  const { log } = first.store.objectStore;
  for (let tries = 0; tries < 64 && log.nextSequence % 8 !== 0; tries++) {
    await backUp(first.store, 'web', random.bytes(1000));
  }
  t.equal(log.nextSequence % 8, 0);
  for (const machine of ['db', 'mail']) {
    const later = await Bench.open(first.databases);
    await backUp(later.store, machine, random.bytes(1000));
    t.equal((await (await later.scrub()).figures(PERIOD)).objects, await objectCount(first.databases));
  }
});

t.test('a damaged entry of the index, and a mark that is damaged', async (t) => {
  const random = new Random(testSeed(t));
  const bench = await Bench.open();
  await backUp(bench.store, 'web', random.bytes(1_000_000));
  const scrub = await bench.scrub();
  await bench.readAll(scrub);
  const [chunk] = await objectsOf(bench.databases.objects, ObjectType.chunk);
  const [sequence = 0] = await findSequences(bench.databases.meta, ObjectType.chunk, [
    chunk?.digest ?? new Uint8Array(),
  ]);
  await damageValue(bench.databases.meta, sequenceKey(sequence), (value) => value.subarray(1));
  await bench.readAll(scrub);
  t.match(scrub.damage, [{ kind: 'index', object: `${sequence}`, reason: /damaged/ }]);
  t.match((await bench.scrub()).damage, [{ kind: 'index' }], 'it is noted');
  await damageValue(bench.databases.meta, scrubKey(0), () => Buffer.from('nonsense'));
  const other = await bench.scrub();
  t.not((await other.figures(PERIOD)).unreadObjects, 0, 'then it was never read');
});

t.test('damaged tables are found before LevelDB reads them', async (t) => {
  const random = new Random(testSeed(t));
  const directory = temporaryDirectory(t);
  const open = async (name: string): Promise<Databases['objects']> =>
    await openLevelKv(join(directory, name), { profile: 'bulk', createIfMissing: true, errorIfExists: false });
  const databases = { objects: await open('objects'), meta: await open('meta') };
  const bench = await Bench.open(databases);
  await backUp(bench.store, 'web', random.bytes(3_000_000));
  await databases.objects.compact(objectKey(0), objectKey(1_000_000));
  const { names, ranges } = (await databases.objects.tables?.()) ?? { names: [], ranges: new Map<string, never>() };
  t.not(names.length, 0);
  t.equal(ranges.size, names.length, 'it is known which objects are in which table');
  const scrub = await bench.scrub();
  await bench.readAll(scrub);
  t.same(scrub.damage, []);
  const [table = ''] = tableFiles(join(directory, 'objects'));
  shortenKey(table, 0);
  await bench.readAll(scrub);
  t.match(scrub.damage[0], { kind: 'table', object: new RegExp(`${table}:\\d+`), reason: /keys of a block/ });
  await bench.store.close();
});

t.test("LevelDB's list of tables", (t) => {
  const listed = [
    '--- level 0 ---',
    String.raw` 7:2097152['\x00\x00\x00\x00\x00\x00\x00\x01' @ 12 : 1 .. '\x00\x00\x00\x00\x00\x00A'' @ 14 : 1]`,
    String.raw` 123456:5['\x00\' @ 1 : 1 .. 'z' @ 2 : 0]`,
    ' 9:1[nonsense]',
    '--- level 1 ---',
    '',
  ].join('\n');
  const { names, ranges } = parseTables(listed);
  t.same(names, ['000007.ldb', '123456.ldb', '000009.ldb']);
  t.same([...ranges.keys()], ['000007.ldb'], 'what is not certain is left out');
  t.same(ranges.get('000007.ldb'), {
    first: Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]),
    last: Buffer.from([0, 0, 0, 0, 0, 0, 0x41, 0x27]),
  });
  t.end();
});

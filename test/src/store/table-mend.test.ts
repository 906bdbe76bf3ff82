import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

import { BLOCK_BYTES } from '../../../src/codec/formats.js';
import { systemClock } from '../../../src/common/clock.js';
import { StoreDirectory } from '../../../src/store/store-directory.js';
import { blockEnd } from '../../../src/store/table-blocks.js';
import { checkTables } from '../../../src/store/table-check.js';
import { Verification } from '../../../src/store/verify.js';
import { WorkerPool } from '../../../src/workers/pool.js';
import { keyOf, listingOf, QUIET } from '../../kit/store-model.js';
import { Random } from '../../kit/random.js';
import { change, dataBlocks, footerOf, leaveMark, shortenKey, tableFiles } from '../../kit/table-damage.js';
import { backUp, readBack, TEST_FORMAT } from '../../kit/test-store.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const pool = new WorkerPool(TEST_FORMAT, 1);
t.teardown(() => pool.close());

interface Prepared {
  readonly directory: string;
  readonly models: ReadonlyMap<string, Buffer>;
  /** The only table of the objects. */
  readonly table: string;
}

/** A store with the machines `a` and `b`, which share nothing, all of it in tables. */
async function prepare(t: Test): Promise<Prepared> {
  const directory = path.join(temporaryDirectory(t), 'store');
  const random = new Random(7);
  const models = new Map<string, Buffer>();
  const held = await open(directory, true);
  for (const machine of ['a', 'b']) {
    const content = random.bytes(100 * BLOCK_BYTES);
    models.set(machine, content);
    await backUp(held.store, machine, content);
  }
  const { meta, objects } = held.store.objectStore;
  for (const kv of [meta, objects]) await kv.compact(Buffer.of(0), Buffer.of(255));
  await held.close();
  const [table = ''] = tableFiles(path.join(directory, 'objects'));
  return { directory, models, table };
}

function open(directory: string, create = false): Promise<StoreDirectory> {
  return StoreDirectory.open({ directory, clock: systemClock, ...(create ? { create: { mustBeNew: true } } : {}) });
}

function verify(held: StoreDirectory, everything = true): ReturnType<Verification['run']> {
  const { store } = held;
  return new Verification({ store, pool, listings: [...store.catalog.all()], everything, ...QUIET }).run();
}

/** The machines whose shadow copies don't read, or not as they were. */
async function brokenMachines(held: StoreDirectory, models: Prepared['models']): Promise<string[]> {
  const broken: string[] = [];
  for (const [machine, model] of models) {
    const content = await readBack(held.store, listingOf(held.store, machine)).catch(() => Buffer.alloc(0));
    if (!content.equals(model)) broken.push(machine);
  }
  return broken;
}

async function assertAllRead(t: Test, held: StoreDirectory, { models }: Prepared): Promise<void> {
  t.same(await brokenMachines(held, models), []);
  t.match(await verify(held), { damagedObjects: [], damaged: [] });
}

/** A process that looks up keys in a database through LevelDB alone. */
async function readBare(directory: string): Promise<{ readonly signal: string | null; readonly said: string }> {
  const program = fileURLToPath(new URL('../../kit/level-reader.js', import.meta.url));
  const child = spawn(process.execPath, [program, directory, '50'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { signal, said };
}

t.test('damaged keys, over which LevelDB ends its process, are refused, named and mended', async (t) => {
  const prepared = await prepare(t);
  const { directory, models, table } = prepared;
  t.match(await readBare(path.join(directory, 'objects')), { signal: null, said: 'read\n' });
  const unaware = await open(directory);
  const { offset } = shortenKey(table, 1);
  const found = await verify(unaware);
  t.match(found, { checkedObjects: 0, damagedObjects: [{ kind: 'table' }], advice: /umbra rebuild/ });
  t.match(found.damagedObjects[0]?.object, new RegExp(`objects/\\d+\\.ldb:${offset}$`));
  await unaware.close();

  const bare = `${directory}.bare`;
  cpSync(path.join(directory, 'objects'), bare, { recursive: true });
  t.match(await readBare(bare), { signal: 'SIGABRT', said: '' }, 'LevelDB itself does not survive it');

  for (let turn = 0; turn < 2; turn++) {
    if (turn === 0) leaveMark(directory);
    const held = await open(directory);
    t.throws(() => held.store, {
      code: 'STORE_DAMAGED',
      hint: /umbra rebuild/,
      message: new RegExp(`offset ${offset}`),
    });
    await held.close();
  }
  const held = await open(directory);
  await t.rejects(held.rebuild({ ...QUIET, signal: AbortSignal.abort() }));
  t.throws(() => held.store, { code: 'STORE_DAMAGED' }, 'nor after a rebuilding that broke off');
  t.match(await held.rebuild(QUIET), { lostBlocks: 1, damagedObjects: 0, shadowCopies: 2 });
  t.match(await held.rebuild(QUIET), { lostBlocks: 1 }, 'what is lost is known after another attempt too');
  t.same(await brokenMachines(held, models), ['a']);
  t.match(await verify(held), { damaged: [{ machine: 'a', volume: 'vda' }] });
  t.same(new Set((await verify(held)).damaged.map(({ machine }) => machine)), new Set(['a']));
  t.ok(held.store.objectStore.hasDamage, 'backups look for what is missing');
  await backUp(held.store, 'a', models.get('a') ?? Buffer.alloc(0));
  await assertAllRead(t, held, prepared);
  await held.close();
  t.notOk(existsSync(path.join(directory, 'opening')));
  const again = await open(directory);
  await assertAllRead(t, again, prepared);
  await again.close();
  t.match(await readBare(path.join(directory, 'objects')), { signal: null, said: 'read\n' });
});

t.test('nothing is lost with a filter, an index, a footer or a kind of compression', async (t) => {
  const prepared = await prepare(t);
  const { directory, table } = prepared;
  const original = `${directory}.original`;
  cpSync(directory, original, { recursive: true });
  const flip = (at: (bytes: Buffer) => number): void => {
    change(table, (bytes) => (bytes[at(bytes)] = (bytes[at(bytes)] ?? 0) ^ 1));
  };
  const damages: readonly (readonly [what: string, how: () => void])[] = [
    [
      'filter',
      () => {
        flip((bytes) => footerOf(bytes).metaindex.offset - 40);
      },
    ],
    [
      'metaindex',
      () => {
        flip((bytes) => footerOf(bytes).metaindex.offset + 10);
      },
    ],
    [
      'index',
      () => {
        flip((bytes) => footerOf(bytes).index.offset + 10);
      },
    ],
    [
      'footer',
      () => {
        flip((bytes) => bytes.length - 48);
      },
    ],
    [
      'magic number',
      () => {
        flip((bytes) => bytes.length - 1);
      },
    ],
    [
      'compression',
      () => {
        flip((bytes) => blockEnd(dataBlocks(bytes)[1] ?? { offset: 0, bytes: 0 }) - 5);
      },
    ],
  ];
  for (const [what, damage] of damages) {
    damage();
    leaveMark(directory);
    const held = await open(directory);
    if (what !== 'magic number') t.throws(() => held.store, { code: 'STORE_DAMAGED' }, what);
    t.match(await held.rebuild(QUIET), { lostBlocks: 0, damagedObjects: 0, shadowCopies: 2 }, what);
    await assertAllRead(t, held, prepared);
    await held.close();
    t.same(await checkTables(path.join(directory, 'objects'), { dataBlocks: true }), [], what);
    cpSync(original, directory, { recursive: true, force: true });
  }
});

t.test('what a table holds before the place where it breaks off is read', async (t) => {
  const { directory, models, table } = await prepare(t);
  const half = Math.floor(readFileSync(table).length * 0.7);
  change(table, (bytes) => bytes.fill(0, half));
  leaveMark(directory);
  const held = await open(directory);
  t.match(await held.rebuild(QUIET), { lostBlocks: 1 });
  t.same(await brokenMachines(held, new Map([...models].filter(([machine]) => machine === 'a'))), []);
  t.same([...held.store.catalog.all()].map(keyOf).length, 1, 'the record of the other one is gone');
  await held.close();
});

t.test('a damaged table that was never in use is no matter', async (t) => {
  const prepared = await prepare(t);
  const { directory, table } = prepared;
  const torn = path.join(path.dirname(table), '999999.ldb');
  cpSync(table, torn);
  shortenKey(torn, 1);
  leaveMark(directory);
  const held = await open(directory);
  await assertAllRead(t, held, prepared);
  await held.close();
  t.notOk(existsSync(torn));
});

t.test('damage in meta is mended without a loss', async (t) => {
  const prepared = await prepare(t);
  const { directory } = prepared;
  const [meta = ''] = tableFiles(path.join(directory, 'meta'));
  change(meta, (bytes) => (bytes[200] = (bytes[200] ?? 0) ^ 4));
  leaveMark(directory);
  const held = await open(directory);
  t.throws(() => held.store, { code: 'STORE_DAMAGED', hint: /umbra rebuild/, message: /meta\/\d+\.ldb is damaged/ });
  t.match(await held.rebuild(QUIET), { lostBlocks: 0, shadowCopies: 2 });
  await assertAllRead(t, held, prepared);
  await held.close();
});

t.test('verification of one machine does not read the blocks of others', async (t) => {
  const { directory, table } = await prepare(t);
  const held = await open(directory);
  change(table, (bytes) => (bytes[(dataBlocks(bytes)[1]?.offset ?? 0) + 300] = 0));
  t.match(await verify(held, false), { damagedObjects: [{ kind: 'chunk' }] }, 'damaged values are named as ever');
  change(table, (bytes) => (bytes[footerOf(bytes).metaindex.offset - 40] = 0x55));
  t.match(await verify(held, false), { checkedObjects: 0, damagedObjects: [{ kind: 'table', reason: /filter/ }] });
  await held.close();
});

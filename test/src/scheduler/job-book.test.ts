import t from 'tap';
import { jobFields, parseJob, saying, type Job } from '../../../src/scheduler/job.js';
import { JobBook } from '../../../src/scheduler/job-book.js';
import { storedJobs, type JobStore } from '../../../src/scheduler/job-store.js';
import { UmbraError } from '../../../src/common/errors.js';
import { MetaPrefix } from '../../../src/codec/formats.js';
import { FaultQueue } from '../../../src/store/faults.js';
import { openFaultyKv } from '../../../src/store/faulty-kv.js';
import { JobRecords } from '../../../src/store/job-records.js';
import { jobKey, prefixRange } from '../../../src/store/keys.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';

function job(id: number, machine: string, more: Partial<Job> = {}): Job {
  const base = { id, machine, host: 'hv1', kind: 'shadow-copy', dueMs: id, readyMs: id, attempts: 1 } as const;
  return { ...base, state: 'done', beganMs: id, endedMs: id + 1, log: [{ timeMs: id, text: 'due' }], ...more };
}

function stored(kv = openMemoryKv()): JobStore {
  const records = new JobRecords(kv);
  return storedJobs(() => records);
}

async function ids(store: JobStore): Promise<number[]> {
  return (await store.all()).map(({ id }) => id);
}

void t.test('of those that have ended the newest are kept, and the last ones of each machine', async (t) => {
  const store = stored();
  const book = await JobBook.open(store, 3);
  await book.settle(job(1, 'idle'));
  await book.settle(job(2, 'idle', { state: 'failed' }));
  await book.settle(job(3, 'gone'));
  for (let id = 4; id < 10; id++) await book.settle(job(id, 'busy'));
  t.same(await ids(store), [1, 2, 3, 7, 8, 9]);
  t.same(
    book.allEnded().map(({ id }) => id),
    [9, 8, 7, 3, 2, 1],
  );
  t.equal(book.last('idle')?.id, 2);
  t.equal(book.lastDone('idle')?.id, 1);
  await book.unplan('gone');
  t.same(await ids(store), [1, 2, 7, 8, 9]);
  await book.settle(job(10, 'idle'));
  t.same(await ids(store), [8, 9, 10], 'what another one stands for is not kept twice');
  const again = await JobBook.open(store, 3);
  t.same(again.allEnded(), book.allEnded());
  t.equal(again.highest, 10);
  const fewer = await JobBook.open(store, 1);
  await fewer.settle(job(11, 'other'));
  t.same(await ids(store), [9, 10, 11], 'a lower limit holds from the next write on');
});

void t.test(
  'the last job of a machine is the last one also after a restart, although the clock was ahead before',
  async (t) => {
    const store = stored();
    const book = await JobBook.open(store);
    await book.settle(job(1, 'web', { beganMs: 9000, endedMs: 9001 }));
    await book.settle(job(2, 'web', { beganMs: 500, endedMs: 501 }));
    t.equal(book.last('web')?.id, 2);
    const again = await JobBook.open(store);
    t.equal(again.last('web')?.id, 2);
    t.equal(again.lastDone('web')?.id, 2);
  },
);

void t.test('of two jobs of a machine that have not ended the newer one stays', async (t) => {
  const store = stored();
  await store.write({ put: [job(1, 'web', { state: 'waiting' }), job(2, 'web', { state: 'waiting' }), job(3, 'db')] });
  const book = await JobBook.open(store);
  t.equal(book.open('web')?.id, 2);
  await book.settle(job(2, 'web'));
  t.same(await ids(store), [2, 3]);
  t.equal((await JobBook.open(store)).open('web'), undefined);
});

void t.test('a job that was made again since its writing failed does not come back', async (t) => {
  const store = stored();
  const replicated = job(4, 'web', { kind: 'replicate', state: 'failed' });
  const open = [job(1, 'web', { state: 'waiting' }), job(3, 'db', { state: 'waiting' })];
  await store.write({ put: [...open, job(2, 'db'), replicated] });
  const book = await JobBook.open(store);
  t.equal(book.open('web'), undefined);
  t.equal(book.open('db')?.id, 3, 'one that is newer than the last that ended is open');
  await book.settle(job(5, 'other'));
  t.same(await ids(store), [2, 3, 4, 5]);
});

void t.test('a job is found with its log, which is not kept in memory', async (t) => {
  const book = await JobBook.open(stored());
  await book.settle(job(1, 'web'));
  t.same(book.last('web')?.log, []);
  t.match(await book.find(1), { log: [{ text: 'due' }] });
  await t.rejects(book.find(2), { code: 'NOT_FOUND' });
});

void t.test('a store that was rebuilt has lost all of it, and goes on', async (t) => {
  let store = stored();
  const book = await JobBook.open({
    all: () => store.all(),
    find: (id) => store.find(id),
    planned: () => store.planned(),
    write: (changes) => store.write(changes),
  });
  await book.settle(job(1, 'web'));
  store = stored();
  t.match(await book.find(1), { state: 'done', log: [] });
  await book.settle(job(2, 'web'));
  t.same(await ids(store), [2]);
});

void t.test('what could not be written is written later', async (t) => {
  const faults = new FaultQueue();
  const kv = openMemoryKv();
  const book = await JobBook.open(stored(openFaultyKv(kv, faults)));
  await book.write([job(1, 'web', { state: 'running' })], [{ machine: 'web', sinceMs: 5 }]);
  faults.push({ on: 'write', error: new UmbraError('STORE_FULL', 'the disk is full') });
  await t.rejects(book.settle(job(1, 'web')), { code: 'STORE_FULL' });
  t.equal(book.open('web'), undefined, 'it holds all the same');
  t.match(await stored(kv).find(1), { state: 'running' });
  faults.push({ on: 'write', error: new UmbraError('STORE_FULL', 'the disk is full') });
  await t.rejects(book.write([job(2, 'db', { state: 'waiting' })]), { code: 'STORE_FULL' });
  t.equal(book.open('db'), undefined, 'what is to be noted before it is done is not');
  await book.write([job(3, 'db', { state: 'waiting' })]);
  t.match(await stored(kv).all(), [{ id: 1, state: 'done' }, { id: 3 }]);
  t.same(await stored(kv).planned(), new Map([['web', 5]]));
});

void t.test('records that are damaged, or that nobody understands, are as none', async (t) => {
  const kv = openMemoryKv();
  const store = stored(kv);
  await store.write({ put: [job(1, 'a'), job(2, 'b'), job(3, 'c')], plan: [{ machine: 'a', sinceMs: 1 }] });
  for (const prefix of [MetaPrefix.job, MetaPrefix.planned]) {
    for await (const [key, value] of kv.entries(prefixRange(prefix))) {
      if (key[8] === 2) continue;
      const damaged = Buffer.from(value);
      damaged.writeUInt8(damaged.readUInt8(damaged.length - 1) ^ 1, damaged.length - 1);
      await kv.write([{ type: 'put', key, value: damaged }], { sync: true });
    }
  }
  await kv.write([{ type: 'put', key: Buffer.concat([jobKey(9), Buffer.of(1)]), value: Buffer.alloc(4) }], {
    sync: true,
  });
  t.same(await ids(store), [2]);
  t.equal((await store.planned()).size, 0);
  t.equal(await store.find(1), undefined);
  const good = jobFields(job(4, 'd'));
  t.ok(parseJob(4, { ...good }));
  const wrong = [{ state: 'sleeping' }, { machine: '../x' }, { attempts: -1 }, { log: 1 }, { news: 1 }, { dueMs: '1' }];
  for (const fields of wrong) t.equal(parseJob(4, { ...good, ...fields }), undefined, JSON.stringify(fields));
});

void t.test('what a job says is bounded, and can be kept', async (t) => {
  let long = job(1, 'web');
  for (let line = 0; line < 500; line++)
    long = saying(long, line, line === 499 ? '' : `${line} \0 ${'x'.repeat(1000)}`);
  t.ok(long.log.length <= 60);
  t.equal(long.log[0]?.text, 'due', 'the first one stays');
  t.ok(parseJob(1, { ...jobFields(long) }));
  const store = stored();
  await store.write({ put: [long] });
  t.same(await store.find(1), long);
});

void t.test('a machine that could not be let go of and is planned for again is planned for', async (t) => {
  const faults = new FaultQueue();
  const kv = openFaultyKv(openMemoryKv(), faults);
  const store = stored(kv);
  const book = await JobBook.open(store);
  await book.write([], [{ machine: 'web', sinceMs: 5 }]);
  faults.push({ on: 'write', error: new UmbraError('STORE_FULL', 'full') });
  await t.rejects(book.unplan('web'), { code: 'STORE_FULL' });
  await book.write([], [{ machine: 'web', sinceMs: 7 }]);
  t.same([...(await store.planned())], [['web', 7]], 'what was said last holds');
  faults.push({ on: 'write', error: new UmbraError('STORE_FULL', 'full') });
  await t.rejects(book.unplan('web'), { code: 'STORE_FULL' });
  await book.write([job(1, 'db')]);
  t.same([...(await store.planned())], []);
});

void t.test(
  'a machine is planned for from the moment that was said first, although that could not be written',
  async (t) => {
    const faults = new FaultQueue();
    const kv = openFaultyKv(openMemoryKv(), faults);
    const store = stored(kv);
    const book = await JobBook.open(store);
    faults.push({ on: 'write', error: new UmbraError('STORE_FULL', 'full') });
    const waiting = job(1, 'web', { state: 'waiting' });
    await t.rejects(book.write([waiting], [{ machine: 'web', sinceMs: 5 }]), { code: 'STORE_FULL' });
    t.equal(book.plannedSince('web'), 5, 'what is due from then on is made up when there is room');
    t.equal(book.open('web'), undefined, 'a job that could not be written is none');
    await book.write([job(2, 'db')]);
    t.same([...(await store.planned())], [['web', 5]]);
    t.same(await ids(store), [2]);
  },
);

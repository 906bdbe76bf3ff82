import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { DiskImage } from '../../../agent/images/image.js';
import { volumeNames } from '../../../src/backup/open-images.js';
import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import { UmbraError } from '../../../src/common/errors.js';
import { fakeImage } from '../../kit/fake-image.js';
import { assertSlotsFree, MachineBackups, testPool } from '../../kit/machine-backups.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { changedVolume, randomVolume } from '../../kit/volumes.js';

const pool = testPool(t);

/** A fake image that counts how often it is read and closed. */
function countingImage(
  content: Buffer,
  fingerprint?: string,
): { image: DiskImage; counts: { reads: number; closes: number } } {
  const counts = { reads: 0, closes: 0 };
  const inner = fakeImage(content, fingerprint === undefined ? {} : { fingerprint });
  const image: DiskImage = {
    ...inner,
    read(target, offset) {
      counts.reads++;
      return inner.read(target, offset);
    },
    close() {
      counts.closes++;
      return inner.close();
    },
  };
  return { image, counts };
}

t.test('random writes, sizes and volumes: every version is what the model says', async (t) => {
  const random = new Random(testSeed(t));
  const bench = await MachineBackups.open(pool);
  let volumes = new Map([['vda', randomVolume(random, 2 * REGION_BYTES + 5)]]);
  const models = new Map<string, Map<string, Buffer>>();
  for (let version = 0; version < 10; version++) {
    const { shadowCopy, volumes: results } = await bench.backUp('web', Object.fromEntries(volumes));
    models.set(shadowCopy, volumes);
    t.same(
      results.map(({ name, sizeBytes }) => `${name} ${sizeBytes}`),
      [...volumes].map(([name, content]) => `${name} ${content.length}`),
    );
    volumes = new Map([...volumes].map(([name, content]) => [name, changed(random, content)]));
    if (random.chance(0.4))
      volumes.set(`vd${'bcde'[random.below(4)] ?? 'b'}`, randomVolume(random, random.below(REGION_BYTES)));
    const [last = 'vda'] = [...volumes.keys()].slice(-1);
    if (volumes.size > 1 && random.chance(0.3)) volumes.delete(last);
  }
  t.same(bench.listed('web'), [...models.keys()]);
  const cold = await bench.reopen();
  for (const [version, model] of models) t.same(await differences(cold, version, model), [], version);
  await assertSlotsFree(t, pool);
});

function changed(random: Random, content: Buffer): Buffer {
  if (random.chance(0.2)) return content;
  const size = random.chance(0.6) ? content.length : random.between(1, 3 * REGION_BYTES);
  return changedVolume(random, content, size);
}

/** What of a shadow copy of `web` is not as it should be. */
async function differences(
  bench: MachineBackups,
  version: string,
  model: ReadonlyMap<string, Buffer>,
): Promise<string[]> {
  const volumes = await bench.volumes('web', version);
  const wrong = [...model]
    .filter(([name, content]) => volumes.get(name)?.equals(content) !== true)
    .map(([name]) => name);
  return [...wrong, ...[...volumes.keys()].filter((name) => !model.has(name))];
}

t.test('machines and volumes of the same content store it once, also at once', async (t) => {
  const bench = await MachineBackups.open(pool);
  const content = new Random(1).bytes(3 * REGION_BYTES);
  const both = await bench.backUp('web', { vda: content, vdb: content });
  t.same(
    both.volumes.map(({ newBytes }) => newBytes),
    [content.length, 0],
  );
  const results = await Promise.all(['a', 'b', 'c'].map((machine) => bench.backUp(machine, { vda: content })));
  t.ok(results.every(({ volumes: [volume] }) => volume?.newBytes === 0));
  t.same(bench.store.catalog.machines(), ['a', 'b', 'c', 'web']);
});

t.test('a backup that breaks off lists nothing, gives everything back, and the next one stores less', async (t) => {
  const content = new Random(2).bytes(10 * REGION_BYTES);
  const abort = new AbortController();
  const breaks: Record<
    string,
    { image: (inner: DiskImage) => Partial<DiskImage>; code: string; signal?: AbortSignal }
  > = {
    'reading fails': {
      image: (inner) => ({
        read: (target, offset) =>
          offset < 6 * REGION_BYTES
            ? inner.read(target, offset)
            : Promise.reject(new UmbraError('IMAGE_FAILED', 'EIO')),
      }),
      code: 'IMAGE_FAILED',
    },
    'extents fail': {
      image: () => ({
        async *extents() {
          yield* await Promise.resolve([{ offset: 0, length: 6 * REGION_BYTES }]);
          throw new UmbraError('IMAGE_FAILED', 'EIO');
        },
      }),
      code: 'IMAGE_FAILED',
    },
    'the image changed': {
      image: () => ({ assertUnchanged: () => Promise.reject(new UmbraError('IMAGE_CHANGED', 'it changed')) }),
      code: 'IMAGE_CHANGED',
    },
    cancelled: {
      image: (inner) => ({
        read(target, offset) {
          if (offset >= 6 * REGION_BYTES) abort.abort(new UmbraError('CANCELLED', 'cancelled'));
          return inner.read(target, offset);
        },
      }),
      code: 'CANCELLED',
      signal: abort.signal,
    },
  };
  for (const [what, { image, code, signal }] of Object.entries(breaks)) {
    const bench = await MachineBackups.open(pool);
    const { image: inner, counts } = countingImage(content);
    const failing = { ...inner, ...image(inner) };
    await t.rejects(bench.backUp('web', { vda: failing }, signal === undefined ? {} : { signal }), { code }, what);
    t.same(bench.listed('web'), []);
    t.equal(counts.closes, 1, 'the image is closed');
    t.equal(bench.store.objectStore.sessions.size, 0, 'the session is over');
    await assertSlotsFree(t, pool);
    const { volumes, shadowCopy } = await bench.backUp('web', { vda: content });
    t.ok(
      (volumes[0]?.newBytes ?? Infinity) <= content.length - 4 * REGION_BYTES,
      `${volumes[0]?.newBytes ?? '?'} bytes are new`,
    );
    t.same(await differences(bench, shadowCopy, new Map([['vda', content]])), []);
  }
});

t.test('an image that cannot be opened: the others are closed, nothing is listed', async (t) => {
  const bench = await MachineBackups.open(pool);
  const { image, counts } = countingImage(Buffer.alloc(10));
  const missing = undefined as unknown as DiskImage;
  await t.rejects(bench.backUp('web', { vda: image, vdb: missing }), { code: 'IMAGE_NOT_FOUND' });
  t.equal(counts.closes, 1);
  t.same(bench.listed('web'), []);
});

t.test('the same fingerprint is not read again, but for reread, another path, and damage in the store', async (t) => {
  const content = randomVolume(new Random(3), 2 * REGION_BYTES);
  content.fill(1, 0, 100);
  const bench = await MachineBackups.open(pool);
  const readsOf = async (
    fingerprint: string | undefined,
    reread = false,
    changes: Partial<DiskImage> = {},
  ): Promise<number> => {
    const { image, counts } = countingImage(content, fingerprint);
    const { shadowCopy, volumes } = await bench.backUp('web', { vda: { ...image, ...changes } }, { reread });
    t.same(await differences(bench, shadowCopy, new Map([['vda', content]])), []);
    if (bench.listed('web').length > 1) t.match(volumes[0], { changedBytes: 0, newBytes: 0 });
    return counts.reads;
  };
  t.ok((await readsOf('one')) > 0, 'first');
  t.equal(await readsOf('one'), 0, 'the same');
  t.ok((await readsOf('one', true)) > 0, 'reread');
  t.ok((await readsOf('two')) > 0, 'another fingerprint');
  t.ok((await readsOf('two', false, { path: '/elsewhere' })) > 0, 'another path');
  t.ok((await readsOf(undefined)) > 0, 'none');
  t.ok((await readsOf(undefined)) > 0, 'none again');
  t.ok((await readsOf('two')) > 0, 'none before');
  t.equal(await readsOf('two'), 0, 'the same once more');
  await bench.store.reader.reportDamage(ObjectType.chunk, new Uint8Array(32), 'for a test');
  t.ok((await readsOf('two')) > 0, 'something is damaged');
});

t.test('an unchanged image that is being written all the same is refused', async (t) => {
  const bench = await MachineBackups.open(pool);
  const { image } = countingImage(Buffer.alloc(5000, 1), 'one');
  await bench.backUp('web', { vda: image });
  const assertUnchanged = (): Promise<void> => Promise.reject(new UmbraError('IMAGE_IN_USE', 'someone writes'));
  await t.rejects(bench.backUp('web', { vda: { ...image, assertUnchanged } }), { code: 'IMAGE_IN_USE' });
  t.equal(bench.listed('web').length, 1);
});

t.test('the record: the worst consistency, the configuration, progress up to the end', async (t) => {
  const bench = await MachineBackups.open(pool);
  const directory = temporaryDirectory(t);
  const config = path.join(directory, 'web.xml');
  writeFileSync(config, '<domain/>');
  const done: number[] = [];
  const images = {
    vda: Buffer.alloc(5 * REGION_BYTES, 1),
    vdb: { ...fakeImage(Buffer.alloc(99, 1)), consistency: 'crash' as const },
  };
  await bench.backUp('web', images, { configs: [config], progress: ({ doneBytes }) => done.push(doneBytes) });
  const record = await bench.store.record(bench.store.catalog.find('web', 'latest'));
  t.match(record, {
    consistency: 'crash',
    tracker: 'scan',
    pauseMs: 0,
    volumes: [{ dataBytes: 5 * REGION_BYTES }, { dataBytes: BLOCK_BYTES }],
  });
  t.same(
    record.config.map(({ name, data }) => `${name} ${Buffer.from(data).toString()}`),
    ['web.xml <domain/>'],
  );
  t.equal(Math.max(...done), 5 * REGION_BYTES + 99);
  t.equal(done.at(-1), 5 * REGION_BYTES + 99);
});

t.test('configuration files that cannot be taken', async (t) => {
  const bench = await MachineBackups.open(pool);
  const directory = temporaryDirectory(t);
  const file = (name: string, bytes: number): string => {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
    writeFileSync(path.join(directory, name), Buffer.alloc(bytes));
    return path.join(directory, name);
  };
  const backUp = (...configs: string[]): Promise<unknown> => bench.backUp('web', { vda: Buffer.alloc(1) }, { configs });
  const limit = 4 * 1024 * 1024;
  await t.rejects(backUp(file('large', limit + 1)), { code: 'BAD_ARGUMENT', message: /too large/ });
  await t.rejects(backUp(file('half', limit), file('more', 1)), { code: 'BAD_ARGUMENT', message: /more is too large/ });
  await t.rejects(backUp(file('a/same', 1), file('b/same', 1)), {
    code: 'BAD_ARGUMENT',
    message: /two configuration files are named "same"/,
  });
  await t.rejects(backUp(directory), { code: 'BAD_ARGUMENT', message: /is not a file/ });
  await t.rejects(backUp(path.join(directory, 'none')), { code: 'BAD_ARGUMENT', message: /ENOENT/ });
  const pipe = path.join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await t.rejects(backUp(pipe), { code: 'BAD_ARGUMENT', message: /is not a file/ });
  t.same(bench.listed('web'), []);
  await backUp(file('empty', 0), file('full', limit));
  t.equal(bench.listed('web').length, 1);
});

t.test('names of volumes', (t) => {
  t.same(volumeNames([{}, { name: 'data' }, {}]), ['vda', 'data', 'vdc']);
  const many = volumeNames(Array.from({ length: 703 }, () => ({})));
  t.same([many[25], many[26], many[27], many[701], many[702]], ['vdz', 'vdaa', 'vdab', 'vdzz', 'vdaaa']);
  t.equal(new Set(many).size, 703);
  t.throws(() => volumeNames([]), { code: 'BAD_ARGUMENT' });
  t.throws(() => volumeNames([{ name: 'a' }, { name: 'a' }]), {
    code: 'BAD_ARGUMENT',
    message: 'two images are named "a"',
  });
  t.throws(() => volumeNames([{}, { name: 'vda' }]), { code: 'BAD_ARGUMENT', message: /the 1\. image would be "vda"/ });
  for (const name of ['', '../a', 'a/b', '.a', 'a b', 'x'.repeat(65)])
    t.throws(() => volumeNames([{ name }]), { code: 'BAD_NAME' });
  t.end();
});

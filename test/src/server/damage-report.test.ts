import t, { type Test } from 'tap';
import { ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import type { DamageRequest, DamageResult } from '../../../src/protocol/upkeep-api.js';
import { reportDamage } from '../../../src/server/damage-report.js';
import { TreeReader, type TreeRoot } from '../../../src/tree/tree-reader.js';
import { chunksOf, damageObject } from '../../kit/damage.js';
import { FilesLab } from '../../kit/files-lab.js';
import { directory, MemoryFilesystem, type MemoryFile } from '../../kit/filesystems/memory-filesystem.js';
import { Random, testSeed } from '../../kit/random.js';

const BLOCK = 4096;

/** A file of which `length` bytes stand at `offset` of a volume. */
function stored(volume: string, offset: number, length = BLOCK): MemoryFile {
  return {
    type: 'file',
    extents: [{ kind: 'stored', bytes: Buffer.alloc(length), locations: [{ volume, offset, length }] }],
  };
}

/** A volume of two regions whose first byte says which file system it has. */
function volumeOf(random: Random, first: number): Buffer {
  const content = Buffer.alloc(2 * REGION_BYTES);
  random.bytes(512 * 1024).copy(content, REGION_BYTES);
  content[0] = first;
  return content;
}

interface Lab {
  readonly lab: FilesLab;
  readonly report: (request?: DamageRequest) => Promise<Omit<DamageResult, 'seconds'>>;
  readonly tree: (version: string, volume: string) => Promise<TreeRoot>;
  readonly hurt: (type: ObjectType, digest: Uint8Array | undefined) => Promise<void>;
}

async function labOf(t: Test, filesystems: ReadonlyMap<number, MemoryFilesystem>): Promise<Lab> {
  const lab = await FilesLab.open(t, { filesystems });
  const { store } = lab.memory;
  return {
    lab,
    report: (request = {}) => reportDamage({ store, files: lab.operations, fileDamage: [], request, ...lab.job }),
    tree: async (version, name) => {
      const { volumes } = await store.record(store.catalog.find('m1', version));
      return volumes.find((volume) => volume.name === name) ?? { root: new Uint8Array(32), sizeBytes: 0 };
    },
    hurt: async (type, digest = new Uint8Array()) => {
      await damageObject(store, type, digest);
      await store.reader.reportDamage(type, digest, 'for a test');
    },
  };
}

t.test('a chunk and a tree node, in several shadow copies with two file systems', async (t) => {
  const random = new Random(testSeed(t));
  const inSecond = REGION_BYTES + 100 * BLOCK;
  const data = new MemoryFilesystem({
    1: directory({ whole: 2, below: 3, half: 4 }),
    2: stored('vdb', 0),
    3: stored('vdb', inSecond),
    4: stored('vdb', REGION_BYTES - BLOCK, 2 * BLOCK),
  });
  // The damaged chunk is known only when the volume is stored: the file has all of the second region.
  const root = new MemoryFilesystem({
    1: directory({ etc: 2, whole: 4 }),
    2: directory({ hosts: 3 }),
    3: stored('vda', REGION_BYTES, REGION_BYTES),
    4: stored('vda', 0),
  });
  const { lab, report, tree, hurt } = await labOf(
    t,
    new Map([
      [1, root],
      [2, data],
    ]),
  );
  const [vda, vdb] = [volumeOf(random, 1), volumeOf(random, 2)];
  const first = (await lab.memory.backUp({ vda, vdb })).name;
  vda.fill(9, 10 * BLOCK, 11 * BLOCK);
  const second = (await lab.memory.backUp({ vda, vdb })).name;
  t.match(await report(), { objectCount: 0, placeCount: 0, fileCount: 0 }, 'nothing is damaged');

  const chunk = (await chunksOf(lab.memory.store, await tree('latest', 'vda'))).find(
    ({ region }) => region === 1,
  )?.chunk;
  const chunkBytes = (chunk?.blocks ?? 0) * BLOCK;
  await hurt(ObjectType.chunk, chunk?.digest);
  const leaf = await new TreeReader(lab.memory.store.reader, await tree('latest', 'vdb')).leafDigest(1);
  await hurt(ObjectType.leaf, leaf);
  const found = await report();
  const both = [first, second];
  t.match(found, { objectCount: 2, placeCount: 2, fileCount: 3, unreadCount: 0, onlyByPath: [] });
  t.match(found.places, [
    { volume: 'vda', length: chunkBytes, shadowCopies: both, isInNewest: true },
    { volume: 'vdb', offset: REGION_BYTES, length: REGION_BYTES, shadowCopies: both, isInNewest: true },
  ]);
  t.same(
    found.files.map(({ path, damagedBytes, shadowCopies }) => ({ path, damagedBytes, shadowCopies })),
    [
      { path: '/vda/etc/hosts', damagedBytes: chunkBytes, shadowCopies: both },
      { path: '/vdb/below', damagedBytes: BLOCK, shadowCopies: both },
      { path: '/vdb/half', damagedBytes: BLOCK, shadowCopies: both },
    ],
  );
  t.match((await report({ machine: 'm1', version: first })).files, [{ shadowCopies: [first] }, {}, {}]);
  await t.rejects(report({ machine: 'nobody' }), { code: 'NOT_FOUND' });
});

t.test('a file that was elsewhere in an older shadow copy, and more of them than are looked through', async (t) => {
  const random = new Random(testSeed(t));
  const at = (offset: number): MemoryFilesystem =>
    new MemoryFilesystem({ 1: directory({ log: 2 }), 2: stored('vda', offset, REGION_BYTES) });
  const { lab, tree, hurt } = await labOf(
    t,
    new Map([
      [1, new MemoryFilesystem({ 1: directory({ old: 2 }), 2: stored('vda', REGION_BYTES, REGION_BYTES) })],
      [2, at(REGION_BYTES)],
      [3, at(REGION_BYTES)],
    ]),
  );
  const content = volumeOf(random, 1);
  const names: string[] = [];
  for (const first of [1, 2, 3]) {
    content[0] = first;
    names.push((await lab.memory.backUp({ vda: content })).name);
  }
  const chunk = (await chunksOf(lab.memory.store, await tree('latest', 'vda'))).find(
    ({ region }) => region === 1,
  )?.chunk;
  await hurt(ObjectType.chunk, chunk?.digest);
  const { catalog, objectStore } = lab.memory.store;
  const versions: {
    listing: ReturnType<typeof catalog.find>;
    ranges: Map<string, { offset: number; length: number }[]>;
  }[] = [];
  for (const name of names.toReversed()) {
    const places: { offset: number; length: number }[] = [];
    for await (const { offset, length } of objectStore.survey.placesIn(await tree(name, 'vda')))
      places.push({ offset, length });
    versions.push({ listing: catalog.find('m1', name), ranges: new Map([['vda', places]]) });
  }
  const [oldest, middle, newest] = names;
  const all = await lab.operations.touched({ versions, mostWalks: 2 }, lab.job);
  t.match(all.files, [
    { path: '/vda/log', shadowCopies: [newest, middle] },
    { path: '/vda/old', shadowCopies: [oldest] },
  ]);
  t.same(all.onlyByPath, [], 'the same file at the same place is not looked for again');
  const some = await lab.operations.touched({ versions, mostWalks: 1 }, lab.job);
  t.match([some.files, some.onlyByPath], [[{ path: '/vda/log' }], [oldest]], 'and it says where there may be more');
});

t.test('what is deleted and collected before its turn comes is not damaged', async (t) => {
  const random = new Random(testSeed(t));
  const { lab } = await labOf(t, new Map());
  const { store } = lab.memory;
  for (const first of [0, 1]) await lab.memory.backUp({ vda: volumeOf(random, first) });
  let isFirst = true;
  // As soon as it looks at the first one the other is deleted.
  const whileDeleting = new Proxy(store, {
    get: (target, key) => {
      if (key !== 'record') return Reflect.get(target, key, target) as unknown;
      return async (listing: Parameters<typeof store.record>[0]) => {
        if (isFirst) await target.forget(target.catalog.find('m1', 'latest'));
        if (isFirst) await target.collect(lab.job);
        isFirst = false;
        return await target.record(listing);
      };
    },
  });
  const options = { store: whileDeleting, files: lab.operations, fileDamage: [], request: {}, ...lab.job };
  t.match(await reportDamage(options), { objectCount: 0, placeCount: 0 });
  t.equal(store.catalog.shadowCopies('m1').length, 1);
});

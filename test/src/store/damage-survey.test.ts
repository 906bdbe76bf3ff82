import t from 'tap';
import { toHex } from '../../../src/codec/digest.js';
import { FANOUT, ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import type { DamagedPlace } from '../../../src/store/damage-survey.js';
import type { Store } from '../../../src/store/store.js';
import { TreeReader, type TreeRoot } from '../../../src/tree/tree-reader.js';
import { chunksOf, damageObject } from '../../kit/damage.js';
import { Random, testSeed } from '../../kit/random.js';
import { backUp, ingest, openTestStore } from '../../kit/test-store.js';
import { changedVolume, randomVolume } from '../../kit/volumes.js';

async function hurt(store: Store, type: ObjectType, digest: Uint8Array | undefined): Promise<void> {
  await damageObject(store, type, digest ?? new Uint8Array());
  await store.reader.reportDamage(type, digest ?? new Uint8Array(), 'for a test');
}

async function places(store: Store, tree: TreeRoot): Promise<DamagedPlace[]> {
  const found: DamagedPlace[] = [];
  for await (const place of store.objectStore.survey.placesIn(tree)) found.push(place);
  return found;
}

async function treeOf(store: Store, machine: string): Promise<TreeRoot> {
  const [volume] = (await store.record(store.catalog.find(machine, 'latest'))).volumes;
  return volume ?? { root: new Uint8Array(32), sizeBytes: 0 };
}

t.test('a damaged chunk is where a look at every leaf finds it, in every volume', async (t) => {
  const random = new Random(testSeed(t));
  const store = await openTestStore();
  const first = randomVolume(random, 3 * REGION_BYTES + 5000);
  await backUp(store, 'a', first);
  await backUp(store, 'b', changedVolume(random, first));
  const trees = [await treeOf(store, 'a'), await treeOf(store, 'b')] as const;
  t.same(await places(store, trees[0]), [], 'nothing is damaged');
  const all = await chunksOf(store, trees[0]);
  for (const at of [0, all.length >>> 1, all.length - 1]) {
    await hurt(store, ObjectType.chunk, all[at]?.chunk.digest);
    const { quarantined } = store.objectStore;
    t.not(quarantined.size, 0);
    for (const tree of trees) {
      const expected = (await chunksOf(store, tree))
        .filter(({ chunk }) => quarantined.has(`${ObjectType.chunk}${toHex(chunk.digest)}`))
        .map(({ region, chunk }) => region * REGION_BYTES + chunk.firstBlock * 4096);
      const found = await places(store, tree);
      t.same(
        found.map(({ offset }) => offset),
        expected,
      );
      t.ok(found.every((place) => place.kind === 'chunk' && place.offset + place.length <= tree.sizeBytes));
      t.same(await store.objectStore.survey.regionsToReread(tree), regionsOf(expected));
      t.equal(await store.objectStore.survey.isTouched(tree), expected.length > 0);
    }
  }
});

function regionsOf(offsets: readonly number[]): ReadonlySet<number> {
  return new Set(offsets.map((offset) => Math.floor(offset / REGION_BYTES)));
}

t.test('what heals is no longer named, and what was found whole is not looked at again', async (t) => {
  const random = new Random(testSeed(t));
  const store = await openTestStore();
  const content = randomVolume(random, 2 * REGION_BYTES);
  await backUp(store, 'a', content);
  const tree = await treeOf(store, 'a');
  const [one] = await chunksOf(store, tree);
  await hurt(store, ObjectType.chunk, one?.chunk.digest);
  t.not((await places(store, tree)).length, 0);
  const read = store.reader.read.bind(store.reader);
  let reads = 0;
  store.reader.read = (type, digest) => {
    reads++;
    return read(type, digest);
  };
  await places(store, tree);
  const again = reads;
  t.ok(again < 4, `${again} nodes on the way to what is damaged`);
  await backUp(store, 'a', content);
  t.same(await places(store, tree), [], 'the content came in again');
});

t.test('a damaged node takes all below it, also while a cache has it', async (t) => {
  const random = new Random(testSeed(t));
  const store = await openTestStore();
  const session = store.openSession();
  const volume = await ingest(session, random.bytes(2 * REGION_BYTES - 100));
  await session.barrier();
  session.end();
  const tree = new TreeReader(store.reader, volume);
  await hurt(store, ObjectType.leaf, await tree.leafDigest(1));
  t.match(await places(store, volume), [{ kind: 'node', offset: REGION_BYTES, length: REGION_BYTES - 100 }]);
  t.equal(await store.objectStore.survey.regionsToReread(volume), 'all', 'nobody knows what was there');
  await hurt(store, ObjectType.inner, volume.root);
  t.match(await places(store, volume), [{ kind: 'node', offset: 0, length: volume.sizeBytes }]);
  t.ok(FANOUT * REGION_BYTES > volume.sizeBytes, 'and no more than there is');
});

t.test('where it is not known what is lost, everything is touched', async (t) => {
  const store = await openTestStore();
  await backUp(store, 'a', Buffer.alloc(5000, 1));
  const tree = await treeOf(store, 'a');
  t.equal(await store.objectStore.survey.isTouched(tree), false);
  await store.reader.reportDamage(ObjectType.chunk, new Uint8Array(32), 'a part of the objects is lost');
  t.equal(await store.objectStore.survey.isTouched(tree), true);
  t.equal(await store.objectStore.survey.regionsToReread(tree), 'all');
});

import t from 'tap';
import { ObjectType } from '../../../src/codec/formats.js';
import { Scrub } from '../../../src/store/scrub.js';
import { WorkerPool } from '../../../src/workers/pool.js';
import { chunksOf, damageObject } from '../../kit/damage.js';
import { Random, testSeed } from '../../kit/random.js';
import { sealedDatabases, testKeys } from '../../kit/sealed.js';
import { backUp, memoryDatabases, openTestStore, TEST_FORMAT } from '../../kit/test-store.js';

t.test('the objects of an encrypted store are opened and compared, and a damaged one is found', async (t) => {
  const random = new Random(testSeed(t));
  const keys = testKeys();
  const pool = new WorkerPool({ ...TEST_FORMAT, keys: keys.frames }, 1);
  t.teardown(() => pool.close());
  const databases = sealedDatabases(memoryDatabases(), keys);
  const store = await openTestStore(databases);
  await backUp(store, 'web', random.bytes(600_000));
  let nowMs = 1000;
  const now = (): { wallMs: number; trustedMs: number } => ({ wallMs: nowMs, trustedMs: nowMs });
  const scrub = await Scrub.open({ store, pool: () => pool, now });
  const readAll = async (): Promise<void> => {
    const begin = { wallMs: ++nowMs, trustedMs: nowMs };
    while (scrub.hasOlder(begin)) await scrub.step(new AbortController().signal);
  };
  await readAll();
  t.match(await scrub.figures(1_000_000), { unreadObjects: 0 });
  t.equal(store.objectStore.quarantined.size, 0, 'what is whole is taken for whole');
  const [volume] = (await store.record(store.catalog.find('web', 'latest'))).volumes;
  const tree = volume ?? { root: new Uint8Array(32), sizeBytes: 0 };
  const [first] = await chunksOf(store, tree);
  await damageObject(store, ObjectType.chunk, first?.chunk.digest ?? new Uint8Array());
  await damageObject(store, ObjectType.leaf, tree.root);
  await readAll();
  t.equal(store.objectStore.quarantined.size, 2);
  t.same(scrub.damage, [], 'and the index, which is sealed too, is whole');
});

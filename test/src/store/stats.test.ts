import { changesBetween } from '../../../src/backup/change-count.js';
import t from 'tap';

import { REGION_BYTES } from '../../../src/codec/formats.js';
import { storeFigures } from '../../../src/store/figures.js';
import { storeStats } from '../../../src/store/stats.js';
import { Random } from '../../kit/random.js';
import { backUp, openTestStore, replicate } from '../../kit/test-store.js';

t.test('counts what is there', async (t) => {
  const store = await openTestStore();
  t.match(await storeStats(store), {
    format: 2,
    machines: 0,
    shadowCopies: 0,
    volumes: 0,
    logicalBytes: 0,
    chunks: 0,
    nodes: 0,
  });
  const content = Buffer.alloc(2 * REGION_BYTES - 5);
  new Random(1).bytes(5000).copy(content, REGION_BYTES);
  await backUp(store, 'a', content);
  await backUp(store, 'a', content);
  await backUp(store, 'b', Buffer.alloc(7));
  const stats = await storeStats(store);
  const logicalBytes = 2 * content.length + 7;
  t.match(stats, {
    machines: 2,
    shadowCopies: 3,
    volumes: 3,
    logicalBytes,
    dataBytes: 4 * 4096,
    uniqueBytes: 8192,
    nodes: 2,
    damagedObjects: 0,
  });
  t.ok(stats.storedBytes > 5000 && stats.diskBytes >= stats.storedBytes);
  await replicate(store, 'b', content);
  t.match(await storeStats(store), { shadowCopies: 3, replicas: 1, replicaBytes: 8192, logicalBytes });
  await store.keepReplica('b', changesBetween(store.reader));
  t.match(await storeStats(store), { shadowCopies: 4, replicas: 0, replicaBytes: 0 });
  await store.forget(store.catalog.find('b', 'latest'));
  await store.reader.reportDamage(1, new Uint8Array(32), 'test');
  t.equal((await storeStats(store)).damagedObjects, 1);
  const disk = { sizeBytes: 3, freeBytes: 2, reserveBytes: 1, freeFiles: 1, files: 2 };
  const newest = (machine: string): number | undefined => store.catalog.latest(machine)?.timeMs;
  t.same(storeFigures(store, disk), {
    machines: [
      { machine: 'a', shadowCopies: 2, newestMs: newest('a') },
      { machine: 'b', shadowCopies: 1, newestMs: newest('b') },
    ],
    damagedObjects: 1,
    disk,
  });
});

import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

import { systemClock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { Reserve } from '../../../src/store/reserve.js';
import { StoreDirectory } from '../../../src/store/store-directory.js';
import { Random, testSeed } from '../../kit/random.js';
import { smallDisk } from '../../kit/small-disk.js';
import { assertContents, keyOf, listingOf, QUIET } from '../../kit/store-model.js';
import { backUp } from '../../kit/test-store.js';

const MIB = 1024 * 1024;

t.test('takes its part of the disk, gives it up when the disk is full, takes it back', async (t) => {
  const disk = smallDisk(t, 256 * MIB);
  const reserve = new Reserve(disk.directory);
  const file = path.join(disk.directory, 'reserve');
  t.match(await reserve.disk(), { reserveBytes: 0 });
  await reserve.fill();
  t.equal(statSync(file).size, 48 * MIB);
  const { sizeBytes, freeBytes, reserveBytes } = await reserve.disk();
  t.equal(reserveBytes, 48 * MIB);
  t.ok(sizeBytes <= 256 * MIB && freeBytes <= sizeBytes - reserveBytes && freeBytes > 100 * MIB);
  let calls = 0;
  const result = await reserve.spend(() => {
    if (++calls === 1) return Promise.reject(new UmbraError('STORE_FULL', 'full'));
    t.notOk(existsSync(file));
    return Promise.resolve(7);
  });
  t.equal(result, 7);
  t.equal(statSync(file).size, 48 * MIB);
  await t.rejects(
    reserve.spend(() => Promise.reject(new UmbraError('STORE_FAILED', 'no'))),
    { code: 'STORE_FAILED' },
  );
  t.ok(existsSync(file), 'only a full disk is what it is for');
});

t.test('is not made where there is little room', async (t) => {
  const disk = smallDisk(t, 256 * MIB);
  disk.fill(100 * MIB);
  await new Reserve(disk.directory).fill();
  t.notOk(existsSync(path.join(disk.directory, 'reserve')));
});

t.test('forgetting and collecting work on a disk that is completely full', async (t) => {
  const random = new Random(testSeed(t));
  const disk = smallDisk(t, 256 * MIB);
  const held = await StoreDirectory.open({
    directory: path.join(disk.directory, 'store'),
    clock: systemClock,
    create: { mustBeNew: true },
  });
  t.teardown(() => held.close());
  const models = new Map<string, Buffer>();
  for (const machine of ['a', 'b']) {
    const content = random.bytes(8 * MIB);
    models.set(keyOf(await backUp(held.store, machine, content)), content);
  }
  disk.fill(0);
  await t.rejects(backUp(held.store, 'c', random.bytes(8 * MIB)), { code: 'STORE_FULL' });
  const gone = listingOf(held.store, 'a');
  models.delete(keyOf(gone));
  await held.reserve.spend(() => held.store.forget(gone));
  const { freedBytes } = await held.reserve.spend(() => held.store.collect(QUIET));
  t.ok(freedBytes > 7 * MIB, `${freedBytes} bytes freed`);
  await assertContents(t, held.store, models);
  const content = random.bytes(3 * MIB);
  models.set(keyOf(await backUp(held.store, 'c', content)), content);
  await assertContents(t, held.store, models);
});

import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { LevelHandle } from '../../../src/store/level-handle.js';
import { iterateLevel } from '../../../src/store/level-iterate.js';
import { numberKey } from '../../kit/bytes.js';
import { temporaryDirectory } from '../../kit/temporary.js';

async function filled(t: Parameters<typeof temporaryDirectory>[0]): Promise<LevelHandle> {
  const directory = join(temporaryDirectory(t), 'kv');
  const handle = await LevelHandle.open(directory, { profile: 'bulk', createIfMissing: true, errorIfExists: true });
  const value = Buffer.alloc(256 * 1024);
  await handle.use('write', (database) =>
    database.batch(Array.from({ length: 100 }, (_, number) => ({ type: 'put', key: numberKey(number), value }))),
  );
  t.teardown(() => handle.close());
  return handle;
}

t.test('a batch in memory stays small', async (t) => {
  const handle = await filled(t);
  let most = 0;
  let seen = 0;
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  collectGarbage();
  const before = process.memoryUsage().arrayBuffers;
  for await (const [, value] of iterateLevel(handle, {}, true)) {
    seen += value.length;
    if (seen % (10 * 256 * 1024) !== 0) continue;
    collectGarbage();
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  t.equal(seen, 100 * 256 * 1024);
  // A batch is 1 MiB and a value; the rest is what the collector still finds on the stack of the batches before.
  t.ok(most < seen / 3, `${most} bytes`);
});

t.test('it goes on where it was when the database is opened again', async (t) => {
  const handle = await filled(t);
  for (const reverse of [false, true]) {
    for (const limit of [undefined, 90]) {
      const seen: number[] = [];
      const range = { reverse, gte: numberKey(5), lt: numberKey(99), ...(limit !== undefined && { limit }) };
      for await (const [key] of iterateLevel(handle, range, true)) {
        if (seen.push(Buffer.from(key).readUInt32BE(4)) % 30 !== 0) continue;
        handle.markBroken(new UmbraError('STORE_FAILED', 'a fault of the test'));
        await handle.recover(0);
      }
      const all = Array.from({ length: 94 }, (_, index) => (reverse ? 98 - index : 5 + index));
      t.same(seen, all.slice(0, limit), JSON.stringify({ reverse, limit }));
    }
  }
});

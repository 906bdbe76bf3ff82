import { join } from 'node:path';
import { readdir, readFile } from 'node:fs/promises';
import t from 'tap';
import { FuseThreads } from '../../../../src/system/fuse/threads.js';
import { MountServer } from '../../../kit/mount-server.js';

const T0 = Date.UTC(2026, 10, 22, 10, 15);

const immediate = () => new Promise((resolve) => setImmediate(resolve));

t.test('the memory of threads that ended is used again', async (t) => {
  const server = await MountServer.start(t);
  for (let i = 0; i < 200; i++) await server.call('add', 'vm', T0 + i * 1000);
  const vm = join(await server.mount('m'), 'vm');
  const names = (await readdir(vm)).filter((name) => name !== 'latest');
  // Long enough for all programs of a burst to be started meanwhile, on a busy machine too.
  await server.call('setOpenDelay', 500);
  for (let burst = 0; burst < 5; burst++) {
    // Node.js itself asks four at a time; forty programs ask at once.
    const part = names.slice(burst * 40, burst * 40 + 40).map((name) => join(vm, name, 'about.json'));
    const outcomes = await server.catAll(part);
    t.equal(outcomes.filter((text) => text.includes('"machine": "vm"')).length, 40);
  }
  const { threads = Infinity, asyncHandles } = await server.call('state');
  t.ok(threads > 10, 'there were many at once');
  t.ok(threads < 80, `${threads} are known, and not the 160 and more that there have been`);
  t.ok(
    asyncHandles < threads + 20,
    `${asyncHandles} handles are looked at for each request, some of them Node.js' own`,
  );
  t.ok((await readFile(join(vm, 'latest/about.json'))).length > 0);
});

t.test('memory that does not look as expected is left alone', async (t) => {
  const threads = new FuseThreads();
  const memory = threads.allocate(360, 0n);
  t.equal(memory.length, 360);
  memory.writeBigUInt64LE(1n, 0);
  await immediate();
  memory.writeBigUInt64LE(2n, 0);
  t.not(threads.allocate(360, 0n), memory);
  t.equal(threads.size, 1, 'the thread counts as ended all the same');
});

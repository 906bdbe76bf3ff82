import { closeSync, openSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { digestOf } from '../../../src/codec/digest.js';
import { REGION_BYTES } from '../../../src/codec/formats.js';
import type { CutRequest, WorkerSettings } from '../../../src/workers/messages.js';
import { WorkerError, WorkerPool } from '../../../src/workers/pool.js';
import { cut } from '../../../src/workers/regions.js';
import { packedRegion, withDamage } from '../../kit/packed-region.js';
import { Random } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { WORKER_SETTINGS } from '../../kit/worker-settings.js';

function openPool(t: Test, size: number, settings: WorkerSettings = WORKER_SETTINGS): WorkerPool {
  const pool = new WorkerPool(settings, size);
  t.teardown(() => pool.close());
  return pool;
}

function cutRequest(fill: number, from?: CutRequest['from']): CutRequest {
  const region = new SharedArrayBuffer(REGION_BYTES);
  Buffer.from(region).fill(fill, 0, 100_000);
  return { op: 'cut', region, length: 100_000, from };
}

t.test('many requests at once are all answered, each with its own reply', async (t) => {
  const pool = openPool(t, 2);
  const replies = await Promise.all(Array.from({ length: 60 }, (_, index) => pool.run(cutRequest(index % 20))));
  for (const [index, reply] of replies.entries()) {
    const expected = cut(cutRequest(index % 20), WORKER_SETTINGS.cutting);
    if (!Buffer.from(reply.leafDigest).equals(expected.leafDigest)) t.fail(`request ${index}`);
  }
  t.equal(replies.length, 60);
});

t.test('operations on frames', async (t) => {
  const pool = openPool(t, 1);
  const content = new Random(1).bytes(300_000);
  const packed = packedRegion(content);
  t.same(await pool.run({ op: 'check', ...packed }), { faults: [] });
  const { faults } = await pool.run({ op: 'check', ...withDamage(packed, 1) });
  t.match(faults, [{ index: 1, reason: 'the checksum is wrong' }]);
  const region = new SharedArrayBuffer(REGION_BYTES);
  t.same(await pool.run({ op: 'unpack', region, ...packed }), { faults: [] });
  t.ok(Buffer.from(region).subarray(0, content.length).equals(content));
});

t.test('errors cross the threads with what they are', async (t) => {
  const pool = openPool(t, 1);
  const file = path.join(temporaryDirectory(t), 'image');
  writeFileSync(file, Buffer.alloc(5000));
  const fd = openSync(file, 'r');
  const read = { fd, offset: 0, extents: [0, 100_000] };
  await t.rejects(pool.run(cutRequest(0, read)), {
    name: 'WorkerError',
    kind: 'short-read',
    message: 'the file ends at byte 5000',
  });
  const write = {
    op: 'write',
    fd,
    offset: 0,
    length: 100_000,
    compare: false,
    punch: false,
    ...packedRegion(Buffer.alloc(4096, 1)),
  } as const;
  await t.rejects(pool.run(write), { kind: 'system', code: 'EBADF' });
  closeSync(fd);
  await t.rejects(pool.run(cutRequest(0, read)), { kind: 'system', code: 'EBADF' });
  await t.rejects(pool.run({ ...cutRequest(0), length: -5 }), { kind: 'system', code: 'ERR_OUT_OF_RANGE' });
  await t.rejects(pool.run({ ...cutRequest(0), region: JSON.parse('null') as SharedArrayBuffer }), WorkerError);
  t.equal((await pool.run(cutRequest(3))).dataBlocks, 25, 'the thread goes on');
});

t.test('a request that cannot be sent is refused, and leaves nothing behind', async (t) => {
  const pool = openPool(t, 1);
  const impossible = { ...cutRequest(1), extra: () => undefined };
  await t.rejects(pool.run(impossible), { name: 'DataCloneError' });
  t.equal((await pool.run(cutRequest(3))).dataBlocks, 25);
});

t.test('threads that fail fail their requests, and are replaced', async (t) => {
  const settings: { cutting: WorkerSettings['cutting']; compression: NonNullable<WorkerSettings['compression']> } = {
    ...WORKER_SETTINGS,
    compression: JSON.parse('null') as NonNullable<WorkerSettings['compression']>,
  };
  const pool = openPool(t, 3, settings);
  const outcomes = await Promise.allSettled(Array.from({ length: 9 }, () => pool.run(cutRequest(1))));
  for (const outcome of outcomes) {
    t.match(outcome, {
      status: 'rejected',
      reason: { name: 'UmbraError', code: 'INTERNAL', message: /^a worker thread failed: / },
    });
  }
  settings.compression = WORKER_SETTINGS.compression;
  const replies = await Promise.all(Array.from({ length: 9 }, () => pool.run(cutRequest(3))));
  t.ok(replies.every(({ dataBlocks }) => dataBlocks === 25));
});

t.test('threads without compression cut and name, and do not pack', async (t) => {
  const pool = openPool(t, 1, { cutting: WORKER_SETTINGS.cutting });
  const region = new SharedArrayBuffer(REGION_BYTES);
  Buffer.from(region).fill(7, 0, 4096);
  const { digests } = await pool.run({ op: 'name', region, chunks: [0, 1, 1, 2] });
  t.ok(Buffer.from(digests).equals(Buffer.concat([digestOf(Buffer.alloc(4096, 7)), digestOf(Buffer.alloc(8192))])));
  const frames = new SharedArrayBuffer(REGION_BYTES);
  await t.rejects(pool.run({ op: 'pack', region, frames, chunks: [0, 1], digests }), {
    name: 'WorkerError',
    code: 'INTERNAL',
  });
});

t.test('closing while threads load their libraries harms nobody', async (t) => {
  const pool = openPool(t, 1);
  const began = performance.now();
  await pool.run(cutRequest(1));
  const startMs = performance.now() - began;
  // A thread that was terminated then ended the process, in two of three runs of this.
  for (let step = 0; step < 40; step++) {
    const starting = openPool(t, 2);
    const outcomes = Promise.allSettled([starting.run(cutRequest(1)), starting.run(cutRequest(1))]);
    await setTimeout(startMs * (0.6 + step / 100));
    await starting.close();
    for (const outcome of await outcomes) {
      if (outcome.status === 'rejected')
        t.match(outcome.reason, { code: 'INTERNAL', message: 'a worker thread ended' });
    }
  }
  t.equal((await pool.run(cutRequest(3))).dataBlocks, 25);
});

t.test('closing ends what is under way with an error', async (t) => {
  const pool = openPool(t, 2);
  const running = Array.from({ length: 8 }, () => pool.run(cutRequest(1)));
  const settled = Promise.allSettled(running);
  await pool.close();
  for (const outcome of await settled) {
    if (outcome.status === 'rejected') t.match(outcome.reason, { code: 'INTERNAL' });
  }
  t.equal((await settled).length, 8, 'none waits for ever');
  await pool.close();
  await t.rejects(pool.run(cutRequest(1)), { code: 'INTERNAL' }, 'no thread starts again');
});

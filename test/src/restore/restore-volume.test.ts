import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { isUmbraError } from '../../../src/common/errors.js';
import type { Progress } from '../../../src/protocol/api.js';
import { loopDevice } from '../../kit/loop-device.js';
import { openMemoryStore, type MemoryStore } from '../../kit/memory-store.js';
import { Random, testSeed } from '../../kit/random.js';
import { runRestore } from '../../kit/run-restore.js';
import { smallDisk } from '../../kit/small-disk.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { changedVolume, differingBlocks, randomVolume } from '../../kit/volumes.js';

const MIB = 1024 * 1024;

t.test('random volumes come back, in new files and over other content', async (t) => {
  const random = new Random(testSeed(t));
  const memory = await openMemoryStore(t);
  const directory = temporaryDirectory(t);
  const sizes = [1, 4095, 4097, 4 * MIB, 4 * MIB + 1, 13 * MIB + 12_345];
  for (const [index, sizeBytes] of sizes.entries()) {
    const machine = `m${index}`;
    const before = randomVolume(random, sizeBytes);
    const after = changedVolume(random, before, sizeBytes + random.between(0, 3 * MIB));
    await memory.backUp({ vda: before }, { machine });
    await memory.backUp({ vda: after }, { machine });
    const to = join(directory, `${index}.raw`);
    const fresh = await runRestore(memory, { machine, version: 'latest', volume: 'vda', to });
    t.match(fresh.volumes, [{ name: 'vda', to, sizeBytes: after.length, differential: false, comparedBytes: 0 }]);
    t.ok(readFileSync(to).equals(after), `${after.length} bytes in a new file`);
    t.equal(statSync(to).mode & 0o777, 0o600);

    const other = changedVolume(random, after, random.between(0, 2 * after.length));
    writeFileSync(to, other);
    const [result] = (await runRestore(memory, { machine, volume: 'vda', to })).volumes;
    t.ok(readFileSync(to).equals(after), `${after.length} bytes over ${other.length} others`);
    t.equal(result?.differential, true);
    t.equal(
      result?.writtenBlocks,
      differingBlocks(other, after, after.length).length,
      'only blocks that differ were written',
    );
    t.equal(result?.cutOffBytes ?? 0, Math.max(0, other.length - after.length));

    const again = await runRestore(memory, { machine, volume: 'vda', to });
    t.match(again.volumes, [{ writtenBlocks: 0, writtenBytes: 0 }], 'nothing to do the second time');
  }
});

t.test('holes stay holes, and data in the place of holes is punched out', async (t) => {
  const memory = await openMemoryStore(t);
  const volume = Buffer.alloc(24 * MIB);
  volume.fill('data', 5 * MIB, 6 * MIB);
  await memory.backUp({ vda: volume });
  const to = join(temporaryDirectory(t), 'vda.raw');
  await runRestore(memory, { volume: 'vda', to });
  t.equal(statSync(to).blocks * 512, MIB);
  writeFileSync(to, Buffer.alloc(24 * MIB, 1));
  await runRestore(memory, { volume: 'vda', to });
  t.ok(readFileSync(to).equals(volume));
  t.equal(statSync(to).blocks * 512, MIB);
});

t.test('a loop device', async (t) => {
  const random = new Random(testSeed(t));
  const memory = await openMemoryStore(t);
  const volume = randomVolume(random, 9 * MIB + 777);
  await memory.backUp({ vda: volume });
  const file = join(temporaryDirectory(t), 'disk');
  const content = changedVolume(random, volume, 12 * MIB);
  writeFileSync(file, content);
  const device = loopDevice(t, file);
  const { volumes } = await runRestore(memory, { volume: 'vda', to: device });
  t.match(volumes, [
    { to: device, differential: true, writtenBlocks: differingBlocks(content, volume, volume.length).length },
  ]);
  const now = readFileSync(file);
  t.ok(now.subarray(0, volume.length).equals(volume));
  t.ok(
    now.subarray(volume.length).equals(content.subarray(volume.length)),
    'what lies behind the volume is left alone',
  );

  await memory.backUp({ vda: Buffer.alloc(12 * MIB + 1) });
  await t.rejects(runRestore(memory, { volume: 'vda', to: device }), { code: 'TARGET_TOO_SMALL' });
  await t.rejects(runRestore(memory, { volume: 'vda', to: file }), { code: 'TARGET_BUSY', message: /loop device/ });
});

t.test('a restore that was cancelled is resumed', async (t) => {
  const random = new Random(testSeed(t));
  const memory = await openMemoryStore(t);
  const volume = random.bytes(16 * MIB + 5);
  const result = await memory.backUp({ vda: volume });
  const to = join(temporaryDirectory(t), 'vda.raw');
  const controller = new AbortController();
  const progress = ({ doneBytes }: Progress): void => {
    if (doneBytes > 0) controller.abort(new DOMException('enough', 'AbortError'));
  };
  await t.rejects(runRestore(memory, { volume: 'vda', to }, { signal: controller.signal, progress }), {
    message: 'enough',
  });
  t.equal(memory.store.leases.listings().length, 0);
  const left = readFileSync(to);
  t.equal(left.length, volume.length);
  const { volumes } = await runRestore(memory, { volume: 'vda', to, version: result.name });
  const missing = differingBlocks(left, volume, volume.length).length;
  t.ok(missing > 0);
  t.match(volumes, [{ differential: true, writtenBlocks: missing }]);
  t.ok(readFileSync(to).equals(volume));
});

t.test('damage: the rest is restored, what was there is kept, and it fails', async (t) => {
  const memory = await openMemoryStore(t);
  const random = new Random(testSeed(t));
  const volume = random.bytes(9 * MIB);
  await memory.backUp({ vda: volume, vdb: Buffer.from('small') });
  await damageOneObject(memory);
  const to = temporaryDirectory(t);
  writeFileSync(join(to, 'vda.raw'), Buffer.alloc(volume.length, 7));
  const error: unknown = await runRestore(memory, { to }).catch((reason: unknown) => reason);
  t.ok(isUmbraError(error, 'STORE_DAMAGED'));
  const [, first, last] = /vda: \d+ bytes \((\d+)-(\d+)\)$/.exec(error instanceof Error ? error.message : '') ?? [];
  const from = Number(first);
  const end = Number(last) + 1;
  t.ok(end > from, `bytes ${from} to ${end} are lost`);
  const restored = readFileSync(join(to, 'vda.raw'));
  t.ok(restored.subarray(0, from).equals(volume.subarray(0, from)));
  t.ok(restored.subarray(end).equals(volume.subarray(end)));
  t.ok(restored.subarray(from, end).every((byte) => byte === 7));
  t.equal(readFileSync(join(to, 'vdb.raw'), 'utf8'), 'small');
});

t.test('a full disk', async (t) => {
  const random = new Random(testSeed(t));
  const memory = await openMemoryStore(t);
  const volume = random.bytes(9 * MIB);
  await memory.backUp({ vda: volume });
  const disk = smallDisk(t, 16 * MIB);
  disk.fill(6 * MIB);
  const to = join(disk.directory, 'vda.raw');
  const full = { code: 'TARGET_FULL', message: /vda\.raw is full/, hint: /again/ };
  await t.rejects(runRestore(memory, { volume: 'vda', to }), full);
  t.same(readdirSync(disk.directory).sort(), ['filler', 'vda.raw'], 'what was restored stays');
  disk.release();
  const { volumes } = await runRestore(memory, { volume: 'vda', to });
  t.ok((volumes[0]?.writtenBytes ?? 0) < volume.length, 'it goes on where it stopped');
  t.ok(readFileSync(to).equals(volume));
});

/** Flip a bit in the body of the object in the middle of those that are larger than a few blocks. */
async function damageOneObject({ objects }: MemoryStore): Promise<void> {
  const large: [Uint8Array, Uint8Array][] = [];
  for await (const [key, value] of objects.entries()) if (value.length > 20_000) large.push([key, value]);
  const [key, value] = large[Math.floor(large.length / 2)] ?? [];
  if (key === undefined || value === undefined) throw new RangeError('no large object');
  value[1000] = (value[1000] ?? 0) ^ 1;
  await objects.write([{ type: 'put', key, value }], { sync: false });
}

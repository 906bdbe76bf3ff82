import { join } from 'node:path';
import t from 'tap';
import { contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { checkLockstep, contentsOf, DISK_BYTES, makeDisks } from '../../../kit/machine-lab.js';
import {
  chainsOf,
  exactContents,
  imageContent,
  jobsIn,
  kept,
  overlaysIn,
  overlayTracker,
} from '../../../kit/overlays.js';
import { namesIn, startMachine, waitForWrites, writeDisk } from '../../../kit/qemu-machine.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const KIB = 1024;

t.test('raw and qcow2 disks that are written all the time', async (t) => {
  const directory = temporaryDirectory(t);
  const machine = await startMachine(t, directory, { disks: makeDisks(directory, ['raw', 'qcow2']), writes: true });
  const tracker = overlayTracker(directory, machine.qmpSocket);
  t.equal(await tracker.isInUse(), false);
  await waitForWrites(machine.monitor);
  const first = await tracker.checkpoint(request('c1'));
  t.match(first, { consistency: 'crash', id: 'c1', notes: [/no guest agent/], config: [{ name: 'qemu.json' }] });
  t.match(first.volumes, [
    { name: 'vda', format: 'raw', path: join(directory, 'vda.raw'), sizeBytes: DISK_BYTES, changesKnown: false },
    { name: 'vdb', format: 'qcow2', path: join(directory, 'vdb.qcow2'), changesKnown: false },
  ]);
  let { contents } = await exactContents(t, directory, first);
  checkLockstep(t, contents);
  await waitForWrites(machine.monitor);
  t.same(await contentsOf(first), contents, 'the view stands still');
  await first.assertUnchanged?.();
  await kept(first);
  let since = 'c1';
  for (const id of ['c2', 'c3']) {
    await waitForWrites(machine.monitor);
    await writeDisk(machine.monitor, 'vda', 'write -P 5 12M 300k');
    await writeDisk(machine.monitor, 'vda', 'write -z 12M 100k');
    await writeDisk(machine.monitor, 'vdb', id === 'c2' ? 'write -P 6 14M 1M' : 'discard 14M 128k');
    const next = await tracker.checkpoint(request(id, since));
    const exact = await exactContents(t, directory, next, contents);
    checkLockstep(t, exact.contents);
    t.equal(exact.bytes.length, 2, 'changes are known');
    t.ok(
      exact.bytes.every((bytes) => bytes > 0 && bytes < DISK_BYTES / 2),
      `${exact.bytes.join(' and ')} bytes`,
    );
    await kept(next);
    t.same(await chainsOf(machine.monitor), [
      [`umbra-${id}-vda.qcow2`, 'vda.raw'],
      [`umbra-${id}-vdb.qcow2`, 'vdb.qcow2'],
    ]);
    t.same(overlaysIn(directory), [`umbra-${id}-vda.qcow2`, `umbra-${id}-vdb.qcow2`]);
    t.same((await namesIn(machine.monitor)).length, 4, 'an overlay and an image for each disk');
    contents = exact.contents;
    since = id;
  }
  t.equal(await tracker.isInUse(), true);
  await tracker.forget();
  t.equal(await tracker.isInUse(), false);
  await waitForWrites(machine.monitor);
  t.same(await chainsOf(machine.monitor), [['vda.raw'], ['vdb.qcow2']]);
  t.same(overlaysIn(directory), []);
  t.same(await namesIn(machine.monitor), ['node disk-vda', 'node disk-vdb']);
  await machine.stop();
  checkLockstep(t, [
    imageContent(join(directory, 'vda.raw'), 'raw'),
    imageContent(join(directory, 'vdb.qcow2'), 'qcow2'),
  ]);
});

t.test('checkpoints that the server never had, or the agent never heard of', async (t) => {
  const directory = temporaryDirectory(t);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks: makeDisks(directory, ['raw']) });
  const tracker = overlayTracker(directory, qmpSocket);
  await writeDisk(monitor, 'vda', 'write -P 1 0 1M');
  const first = await tracker.checkpoint(request('c1'));
  const { contents } = await exactContents(t, directory, first);
  await kept(first);
  const at = [2, 3, 4];
  for (const [index, place] of at.entries()) {
    await writeDisk(monitor, 'vda', `write -P ${place} ${place}M 64k`);
    const failed = await tracker.checkpoint(request(`x${index}`, 'c1'));
    const { bytes } = await exactContents(t, directory, failed, contents);
    t.same(bytes, [(index + 1) * 64 * KIB], 'all since the one that it has');
    await failed.close();
    const [chain = []] = await chainsOf(monitor);
    t.same(chain, [`umbra-x${index}-vda.qcow2`, 'umbra-c1-vda.qcow2', 'vda.raw'], 'the chain does not grow');
  }
  // It had the last one, and the agent did not hear of it.
  await writeDisk(monitor, 'vda', 'write -P 9 9M 128k');
  const lost = await tracker.checkpoint(request('c3', 'x2'));
  t.same((await exactContents(t, directory, lost, await lastOf(lost))).bytes, [128 * KIB]);
  await lost.close();
  const again = await tracker.checkpoint(request('c4', 'c3'));
  t.same((await exactContents(t, directory, again, await lastOf(again))).bytes, [0]);
  await kept(again);
  t.same(await chainsOf(monitor), [['umbra-c4-vda.qcow2', 'vda.raw']]);
  t.same(overlaysIn(directory), ['umbra-c4-vda.qcow2']);
  const strange = await tracker.checkpoint(request('c5', 'nobody'));
  t.match(strange, { volumes: [{ changesKnown: false }], notes: [/vda: its images are not those/, /guest agent/] });
  await kept(strange);
  t.same(await chainsOf(monitor), [['umbra-c5-vda.qcow2', 'vda.raw']]);
  t.same(await jobsIn(monitor), []);

  async function lastOf(checkpoint: Awaited<ReturnType<typeof tracker.checkpoint>>): Promise<Buffer[]> {
    const last = await contentOf(volumeOf(checkpoint, 'vda'));
    if (checkpoint.id === 'c3') last.fill(0, 9 * KIB * KIB, 10 * KIB * KIB);
    return [last];
  }
});

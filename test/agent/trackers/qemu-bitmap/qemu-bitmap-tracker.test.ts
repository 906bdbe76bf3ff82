import t from 'tap';
import { applyChanges, bitmapTracker, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { atRest, checkLockstep, contentsOf, DISK_BYTES, leftIn, makeDisks } from '../../../kit/machine-lab.js';
import { namesIn, startMachine, waitForWrites, writeDisk } from '../../../kit/qemu-machine.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const MIB = 1024 * 1024;
const SIZE = DISK_BYTES;

t.test('a full and several incremental checkpoints of a machine that writes all the time', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const machine = await startMachine(t, directory, { disks, writes: true });
  const tracker = bitmapTracker(directory, machine.qmpSocket);
  await waitForWrites(machine.monitor);
  const first = await tracker.checkpoint(request('c1'));
  t.match(first, { consistency: 'crash', id: 'c1', notes: [/no guest agent/] });
  t.same(
    first.volumes.map(({ name, format, sizeBytes, changesKnown }) => [name, format, sizeBytes, changesKnown]),
    [
      ['vda', 'qcow2', SIZE, false],
      ['vdb', 'qcow2', SIZE, false],
    ],
  );
  let contents = await contentsOf(first);
  checkLockstep(t, contents);
  await waitForWrites(machine.monitor);
  t.same(await contentsOf(first), contents, 'the view stands still');
  await first.acknowledge();
  await first.close();
  t.same(await namesIn(machine.monitor), atRest(disks, 'c1'));
  for (const [since, id] of [
    ['c1', 'c2'],
    ['c2', 'c3'],
    ['c3', 'c4'],
  ] as const) {
    await waitForWrites(machine.monitor);
    await writeDisk(machine.monitor, 'vda', 'write -z 12M 1M');
    const next = await tracker.checkpoint(request(id, since));
    t.ok(next.volumes.every(({ changesKnown }) => changesKnown));
    const whole = await contentsOf(next);
    checkLockstep(t, whole);
    const changed = await Promise.all(
      next.volumes.map((volume, index) => applyChanges(volume, contents[index] ?? Buffer.alloc(0))),
    );
    t.ok(
      changed.every(({ content }, index) => content.equals(whole[index] ?? Buffer.alloc(0))),
      'exact',
    );
    t.ok(changed.every(({ bytes }) => bytes > 0 && bytes < SIZE));
    contents = whole;
    await next.acknowledge();
    await next.close();
    t.same(await namesIn(machine.monitor), atRest(disks, id));
    t.same(leftIn(directory), []);
  }
  await waitForWrites(machine.monitor);
});

t.test('QEMU stopped and started again: the bitmaps come back', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory, ['qcow2', 'raw']);
  const before = await startMachine(t, directory, { disks });
  const tracker = bitmapTracker(directory, before.qmpSocket);
  await writeDisk(before.monitor, 'vda', 'write -P 1 0 1M');
  const first = await tracker.checkpoint(request('c1'));
  const content = await contentOf(volumeOf(first, 'vda'));
  await first.acknowledge();
  await first.close();
  await writeDisk(before.monitor, 'vda', 'write -P 2 512k 1M');
  await before.stop();
  const machine = await startMachine(t, directory, { disks });
  await writeDisk(machine.monitor, 'vda', 'write -P 3 5M 4k');
  const second = await tracker.checkpoint(request('c2', 'c1'));
  t.match(second.notes, [/vdb: its bitmap .* keeps no bitmaps/, /no guest agent/]);
  t.equal(volumeOf(second, 'vdb').changesKnown, false, 'raw keeps none');
  const changed = await applyChanges(volumeOf(second, 'vda'), content);
  t.equal(changed.bytes, MIB + 64 * 1024);
  t.ok(changed.content.equals(await contentOf(volumeOf(second, 'vda'))));
  await second.close();
  t.same(
    await namesIn(machine.monitor),
    [...atRest(disks, 'c2'), `bitmap umbra-c1-${SIZE}-vda`].sort(),
    'not acknowledged',
  );
});

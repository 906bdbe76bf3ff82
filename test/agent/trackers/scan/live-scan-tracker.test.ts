import t from 'tap';
import { LiveScanTracker } from '../../../../agent/trackers/scan/live-scan-tracker.js';
import { bitmapTracker, request } from '../../../kit/checkpoints.js';
import { atRest, checkLockstep, contentsOf, leftIn, makeDisks } from '../../../kit/machine-lab.js';
import { namesIn, startMachine, waitForWrites } from '../../../kit/qemu-machine.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

t.test('a machine that runs is scanned as of one instant, and nothing is recorded in it', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const machine = await startMachine(t, directory, { disks, writes: true });
  const before = await bitmapTracker(directory, machine.qmpSocket).checkpoint(request('c0'));
  await before.acknowledge();
  await before.close();
  const tracker = new LiveScanTracker(bitmapTracker(directory, machine.qmpSocket, { records: false }));
  await waitForWrites(machine.monitor);
  const checkpoint = await tracker.checkpoint(request('c1', 'c0'));
  t.notOk(checkpoint.volumes.some(({ changesKnown }) => changesKnown));
  const contents = await contentsOf(checkpoint);
  checkLockstep(t, contents);
  await waitForWrites(machine.monitor);
  t.same(await contentsOf(checkpoint), contents, 'the view stands still');
  await checkpoint.acknowledge();
  await checkpoint.close();
  t.same(await namesIn(machine.monitor), atRest(disks), 'bitmaps of an earlier choice are gone, and none is made');
  t.same(leftIn(directory), []);
  await tracker.forget();
});

import { join } from 'node:path';
import t from 'tap';
import type { QmpClient } from '../../../../agent/qemu/qmp.js';
import { qmpDiscovery } from '../../../../agent/run/discover-qmp.js';
import { systemClock } from '../../../../src/common/clock.js';
import { bitmapTracker, request } from '../../../kit/checkpoints.js';
import { atRest, checkLockstep, contentsOf, DISK_BYTES, makeDisks } from '../../../kit/machine-lab.js';
import { imageContent, jobsIn, kept } from '../../../kit/overlays.js';
import { namesIn, startMachine, waitForWrites } from '../../../kit/qemu-machine.js';
import { qemuImg } from '../../../kit/qemu.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

async function mirror(
  monitor: QmpClient,
  directory: string,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const copy = join(directory, 'copy.raw');
  qemuImg('create', '-q', '-f', 'raw', copy, String(DISK_BYTES));
  await monitor.execute('blockdev-add', { driver: 'file', 'node-name': 'copy', filename: copy });
  const job = { 'job-id': 'theirs', device: 'disk-vda', target: 'copy', sync: 'full' };
  await monitor.execute('blockdev-mirror', { ...job, ...more });
}

t.test('a disk that somebody mirrors is followed, and its mirror is left alone', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory, ['qcow2', 'raw']);
  const machine = await startMachine(t, directory, { disks, writes: true });
  const { monitor, qmpSocket } = machine;
  const tracker = bitmapTracker(directory, qmpSocket);
  await waitForWrites(monitor);
  await kept(await tracker.checkpoint(request('c1')));
  await mirror(monitor, directory);
  await waitForWrites(monitor);
  const second = await tracker.checkpoint(request('c2', 'c1'));
  t.ok(second.volumes.every(({ changesKnown }) => changesKnown));
  checkLockstep(t, await contentsOf(second));
  await kept(second);
  t.same(await jobsIn(monitor), ['theirs']);
  while (!JSON.stringify(await monitor.execute('query-jobs')).includes('"ready"'));
  await monitor.execute('stop');
  await monitor.execute('job-cancel', { id: 'theirs' });
  while ((await jobsIn(monitor)).length > 0);
  await monitor.execute('blockdev-del', { 'node-name': 'copy' });
  t.same(await namesIn(monitor), atRest(disks, 'c2'));
  await machine.stop();
  t.ok(
    imageContent(join(directory, 'copy.raw'), 'raw').equals(imageContent(disks[0]?.file ?? '', 'qcow2')),
    'it is whole',
  );
});

t.test('a disk that cannot be seen for its mirror', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory, ['qcow2', 'raw']);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks });
  const tracker = bitmapTracker(directory, qmpSocket);
  await kept(await tracker.checkpoint(request('c1')));
  await mirror(monitor, directory, { 'filter-node-name': 'theirs' });
  const busy = { code: 'TRACKER_BUSY', message: "another program's job of vda runs in QEMU", hint: /job-cancel/ };
  await t.rejects(tracker.checkpoint(request('c2', 'c1')), busy, 'no shadow copy without it');
  const other = await tracker.checkpoint({ ...request('c2', 'c1'), volumes: ['vdb'] });
  t.match(other.volumes, [{ name: 'vdb' }], 'nobody wants it');
  await other.close();
  await monitor.execute('job-cancel', { id: 'theirs' });
  while ((await jobsIn(monitor)).length > 0);
  await kept(await tracker.checkpoint(request('c3', 'c1')));
  await monitor.execute('blockdev-del', { 'node-name': 'copy' });
  t.same(await namesIn(monitor), atRest(disks, 'c3'));
});

t.test('an agent remembers a machine with the disk that a job hides', async (t) => {
  const directory = temporaryDirectory(t);
  const machine = await startMachine(t, directory, { disks: makeDisks(directory, ['qcow2']) });
  const where = { name: 'm', socket: machine.qmpSocket };
  const look = qmpDiscovery({ qmp: [where], state: directory }, systemClock);
  t.match(await look(where), { state: 'running', volumes: [{ name: 'vda' }] });
  await mirror(machine.monitor, directory, { 'filter-node-name': 'filter' });
  t.match(await look(where), { volumes: [], skipped: [{ name: 'vda', reason: "another program's job works on it" }] });
  await machine.stop();
  t.match(await look(where), { state: 'off', volumes: [{ name: 'vda' }] });
});

import { join } from 'node:path';
import t from 'tap';
import { refuseOldQemu } from '../../../../agent/trackers/qemu-bitmap/abilities.js';
import { QmpClient } from '../../../../agent/qemu/qmp.js';
import { bitmapTracker, request } from '../../../kit/checkpoints.js';
import { fakeLines } from '../../../kit/fake-lines.js';
import { makeDisks } from '../../../kit/machine-lab.js';
import { startMachine } from '../../../kit/qemu-machine.js';
import { qemuImg } from '../../../kit/qemu.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

async function clientOf(version: string): Promise<QmpClient> {
  const socketPath = await fakeLines(t, {
    connected: (socket) => socket.write(`{"QMP": {"version": {"qemu": ${version}}}}\n`),
    line: (_line, socket) => socket.write('{"return": {}, "id": 1}\n'),
  });
  return await QmpClient.open({ socketPath });
}

t.test('a QEMU that is too old', async (t) => {
  for (const version of ['{"major": 7, "minor": 0}', '{"major": 6, "minor": 9}', '{}']) {
    const client = await clientOf(version);
    t.throws(
      () => {
        refuseOldQemu(client);
      },
      { code: 'TRACKER_UNAVAILABLE' },
    );
    client.close();
  }
  for (const version of ['{"major": 7, "minor": 1}', '{"major": 10, "minor": 0}']) {
    const client = await clientOf(version);
    t.doesNotThrow(() => {
      refuseOldQemu(client);
    });
    client.close();
  }
});

t.test('disks with an iothread are refused where QEMU would crash', async (t) => {
  const directory = temporaryDirectory(t);
  const [first, second] = ['one', 'two'].map((name) => join(directory, name));
  for (const file of [first, second]) qemuImg('create', '-q', '-f', 'raw', file ?? '', '1M');
  const node = (name: string, filename = ''): string[] => {
    return ['-blockdev', JSON.stringify({ driver: 'raw', 'node-name': name, file: { driver: 'file', filename } })];
  };
  const machine = await startMachine(t, directory, {
    disks: makeDisks(directory),
    args: [
      ...['-object', 'iothread,id=io', ...node('one', first), ...node('two', second)],
      ...['-device', 'virtio-blk-pci,drive=one,iothread=io,id=vdx'],
      ...['-device', 'virtio-scsi-pci,iothread=io,id=scsi', '-device', 'scsi-hd,bus=scsi.0,drive=two,id=sdx'],
    ],
  });
  const tracker = bitmapTracker(directory, machine.qmpSocket);
  await t.rejects(tracker.checkpoint(request('c1')), { code: 'TRACKER_UNAVAILABLE', message: /: vdx, sdx$/ });
  const others = await tracker.checkpoint({ ...request('c1'), volumes: ['vda', 'vdb'] });
  await others.close();
  t.match(await machine.monitor.execute('query-status'), { status: 'running' });
});

t.test('a machine that comes from another host, or goes to one', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const arriving = await startMachine(t, directory, { disks, args: ['-incoming', 'defer'] });
  const tracker = bitmapTracker(directory, arriving.qmpSocket);
  await t.rejects(tracker.checkpoint(request('c1')), { code: 'TRACKER_UNAVAILABLE', message: /migrated/ });
  await arriving.kill();
  const leaving = await startMachine(t, directory, { disks });
  await leaving.monitor.execute('migrate-set-parameters', { 'max-bandwidth': 1 });
  await leaving.monitor.execute('migrate', { uri: 'exec:cat > /dev/null' });
  await t.rejects(tracker.checkpoint(request('c1')), { code: 'TRACKER_UNAVAILABLE', message: /migrated/ });
});

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { list, record } from '../../../../agent/json-values.js';
import { findDisks } from '../../../../agent/qemu/disks.js';
import type { QmpClient } from '../../../../agent/qemu/qmp.js';
import { request } from '../../../kit/checkpoints.js';
import { privateLibvirt } from '../../../kit/libvirt.js';
import { LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { checkLockstep, DISK_BYTES, makeDisks } from '../../../kit/machine-lab.js';
import {
  chainsOf,
  exactContents,
  kept,
  libvirtOverlayTracker,
  overlaysIn,
  overlayTracker,
} from '../../../kit/overlays.js';
import { startMachine, waitForWrites } from '../../../kit/qemu-machine.js';
import { qemuImg } from '../../../kit/qemu.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const BUSY = { code: 'TRACKER_BUSY', message: /another program's job/, hint: /Wait until it has ended/ };

/** Mirrors the first disk until {@link endMirror}: what is copied is copied again whenever the guest writes. */
async function mirror(monitor: QmpClient, directory: string): Promise<void> {
  const copy = join(directory, 'copy.raw');
  qemuImg('create', '-q', '-f', 'raw', copy, String(DISK_BYTES));
  await monitor.execute('blockdev-add', { driver: 'file', 'node-name': 'copy', filename: copy });
  const [disk] = (await findDisks(monitor)).disks;
  await monitor.execute('blockdev-mirror', { 'job-id': 'theirs', device: disk?.node, target: 'copy', sync: 'full' });
}

async function endMirror(monitor: QmpClient): Promise<void> {
  const [job] = list(await monitor.execute('query-jobs')).map(record);
  if (job?.['id'] !== 'theirs') throw new Error('it is there no more');
  await monitor.execute('block-job-cancel', { device: 'theirs', force: true });
  while (list(await monitor.execute('query-jobs')).length > 0);
  await monitor.execute('blockdev-del', { 'node-name': 'copy' });
}

t.test('while a job of somebody else runs in QEMU nothing is done, and afterwards all of it', async (t) => {
  const directory = temporaryDirectory(t);
  const machine = await startMachine(t, directory, { disks: makeDisks(directory, ['raw', 'raw']), writes: true });
  const { monitor, qmpSocket } = machine;
  const tracker = overlayTracker(directory, qmpSocket);
  await waitForWrites(monitor);
  const first = await tracker.checkpoint(request('c1'));
  let { contents } = await exactContents(t, directory, first);
  await kept(first);

  await mirror(monitor, directory);
  await t.rejects(tracker.checkpoint(request('c2', 'c1')), BUSY, 'at a checkpoint');
  await t.rejects(tracker.recover(), BUSY);
  await t.rejects(tracker.forget(), BUSY);
  await waitForWrites(monitor);
  await endMirror(monitor);
  t.same(overlaysIn(directory), ['umbra-c1-vda.qcow2', 'umbra-c1-vdb.qcow2']);

  const second = await tracker.checkpoint(request('c2', 'c1'));
  ({ contents } = await exactContents(t, directory, second, contents));
  await mirror(monitor, directory);
  await t.rejects(second.acknowledge(), BUSY, 'at a merge');
  await second.close();
  await waitForWrites(monitor);
  await endMirror(monitor);

  const third = await tracker.checkpoint(request('c3', 'c2'));
  const exact = await exactContents(t, directory, third, contents);
  t.equal(exact.bytes.length, 2, 'changes are known');
  checkLockstep(t, exact.contents);
  await kept(third);
  t.same(await chainsOf(monitor), [
    ['umbra-c3-vda.qcow2', 'vda.raw'],
    ['umbra-c3-vdb.qcow2', 'vdb.raw'],
  ]);
  await tracker.forget();
  t.same(overlaysIn(directory), []);
  await waitForWrites(monitor);
});

t.test('so it is with a job of libvirt', async (t) => {
  const machine = new LibvirtMachine(await privateLibvirt(t), 'jobs', ['raw']);
  const { daemon, directory, name } = machine;
  await machine.define();
  await machine.start('running');
  const tracker = libvirtOverlayTracker(machine);
  const copy = (): Promise<string> =>
    daemon.virsh('blockcopy', name, 'vda', '--dest', join(directory, 'copy.raw'), '--format', 'raw', '--transient-job');
  const endCopy = async (): Promise<void> => {
    t.match(await daemon.virsh('blockjob', name, 'vda', '--raw'), /type=Block Copy/, 'it is left alone');
    await daemon.virsh('blockjob', name, 'vda', '--abort');
    rmSync(join(directory, 'copy.raw'));
  };
  await kept(await tracker.checkpoint(request('c1')));
  await copy();
  await t.rejects(tracker.checkpoint(request('c2', 'c1')), BUSY);
  await t.rejects(machine.tracker().checkpoint(request('b1')), BUSY, 'by bitmaps neither');
  await endCopy();

  await machine.write(0, 'write -P 1 1M 64k');
  const second = await tracker.checkpoint(request('c2', 'c1'));
  const { contents } = await exactContents(t, directory, second);
  await copy();
  await t.rejects(second.acknowledge(), BUSY);
  await second.close();
  await t.rejects(tracker.recover(), BUSY);
  await endCopy();
  const third = await tracker.checkpoint(request('c3', 'c2'));
  t.same((await exactContents(t, directory, third, contents)).bytes, [0]);
  await kept(third);
  t.same(overlaysIn(directory), ['umbra-c3-vda.qcow2']);
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findDisks } from '../../../../agent/qemu/disks.js';
import { request } from '../../../kit/checkpoints.js';
import { privateLibvirt } from '../../../kit/libvirt.js';
import { LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { makeDisks } from '../../../kit/machine-lab.js';
import {
  chainsOf,
  exactContents,
  imageContent,
  jobsIn,
  kept,
  libvirtOverlayTracker,
  overlaysIn,
  overlayTracker,
} from '../../../kit/overlays.js';
import { startMachine, writeDisk } from '../../../kit/qemu-machine.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const KIB = 1024;
const THEIRS = {
  code: 'TRACKER_FAILED',
  message: /overlays of others lie on .*umbra-/,
  hint: /Delete these snapshots/,
};

t.test("somebody's overlay on ours, while the machine runs", async (t) => {
  const directory = temporaryDirectory(t);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks: makeDisks(directory, ['raw']) });
  const tracker = overlayTracker(directory, qmpSocket);
  const theirs = join(directory, 'theirs.qcow2');
  await kept(await tracker.checkpoint(request('c1')));
  await writeDisk(monitor, 'vda', 'write -P 1 1M 64k');
  const failed = await tracker.checkpoint(request('x1', 'c1'));
  const { contents } = await exactContents(t, directory, failed);
  await failed.close();
  const [disk] = (await findDisks(monitor)).disks;
  await monitor.execute('blockdev-snapshot-sync', {
    'node-name': disk?.node,
    'snapshot-file': theirs,
    'snapshot-node-name': 'theirs',
    format: 'qcow2',
  });
  await writeDisk(monitor, 'vda', 'write -P 2 2M 64k');

  const second = await tracker.checkpoint(request('c2', 'c1'));
  const exact = await exactContents(t, directory, second, contents);
  t.same(exact.bytes, [128 * KIB], 'changes are known through it');
  await kept(second);
  t.same(await chainsOf(monitor), [['umbra-c2-vda.qcow2', 'theirs.qcow2', 'umbra-x1-vda.qcow2', 'vda.raw']]);
  await writeDisk(monitor, 'vda', 'write -P 3 3M 64k');
  await t.rejects(tracker.forget(), THEIRS);
  t.same(await chainsOf(monitor), [['theirs.qcow2', 'umbra-x1-vda.qcow2', 'vda.raw']], 'what they lie on stays');
  t.same(overlaysIn(directory), ['umbra-x1-vda.qcow2']);
  t.equal(await tracker.isInUse(), true, 'it is tried again');
  const [content = Buffer.alloc(0)] = exact.contents;
  content.fill(3, 3 * KIB * KIB, 3 * KIB * KIB + 64 * KIB);
  t.ok(imageContent(theirs, 'qcow2').equals(content), 'the guest has lost nothing');

  // They take theirs away.
  await monitor.execute('block-commit', {
    'job-id': 'their-merge',
    device: 'theirs',
    'top-node': 'theirs',
    'base-node': disk?.node,
  });
  while (!JSON.stringify(await monitor.execute('query-jobs')).includes('"ready"'));
  await monitor.execute('job-complete', { id: 'their-merge' });
  while ((await jobsIn(monitor)).length > 0);
  await tracker.forget();
  t.same(await chainsOf(monitor), [['vda.raw']]);
  t.same(overlaysIn(directory), []);
  t.equal(await tracker.isInUse(), false);
  t.ok(imageContent(join(directory, 'vda.raw'), 'raw').equals(content));
});

t.test('a snapshot of virsh on ours, while the domain runs and while it is off', async (t) => {
  const machine = new LibvirtMachine(await privateLibvirt(t), 'snap', ['raw']);
  const { daemon, directory, name } = machine;
  const file = (image: string): string => join(directory, image);
  await machine.define();
  await machine.start('running');
  const tracker = libvirtOverlayTracker(machine);
  await kept(await tracker.checkpoint(request('c1')));
  await machine.write(0, 'write -P 1 1M 64k');
  const snapshot = [
    'snapshot-create-as',
    name,
    'before',
    '--disk-only',
    '--diskspec',
    `vda,file=${file('theirs.qcow2')}`,
  ];
  await daemon.virsh(...snapshot);
  await machine.write(0, 'write -P 2 2M 64k');
  await t.rejects(tracker.forget(), THEIRS);
  await machine.stop();
  const files = ['theirs.qcow2', 'umbra-c1-vda.qcow2', 'vda.raw'];
  const before = files.map((each) => readFileSync(file(each)));
  const content = imageContent(file('theirs.qcow2'), 'qcow2');
  await t.rejects(tracker.forget(), THEIRS, 'while it is off');
  for (const [index, each] of files.entries())
    t.ok(readFileSync(file(each)).equals(before[index] ?? Buffer.of()), each);

  await machine.start('running');
  await daemon.virsh('blockcommit', name, 'vda', '--active', '--pivot', '--base', file('umbra-c1-vda.qcow2'));
  await daemon.virsh('snapshot-delete', name, 'before', '--metadata');
  await tracker.forget();
  t.same(overlaysIn(directory), []);
  t.equal(await tracker.isInUse(), false);
  await machine.stop();
  t.ok(imageContent(file('vda.raw'), 'raw').equals(content));
});

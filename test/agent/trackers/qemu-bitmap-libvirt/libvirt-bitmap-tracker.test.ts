import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { LiveScanTracker } from '../../../../agent/trackers/scan/live-scan-tracker.js';
import type { Checkpoint } from '../../../../agent/trackers/tracker.js';
import { applyChanges, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { privateLibvirt, type PrivateLibvirt } from '../../../kit/libvirt.js';
import { connectTo, DISK_BYTES, LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { qemuImg } from '../../../kit/qemu.js';

const MIB = 1024 * 1024;

/** A volume as QEMU itself exports it now, read by qemu-img. */
function exported(machine: LibvirtMachine, volume: string): Buffer {
  const truth = join(machine.directory, 'truth.raw');
  qemuImg('convert', '-f', 'raw', '-O', 'raw', `nbd+unix:///${volume}?socket=${machine.backupSocket()}`, truth);
  return readFileSync(truth);
}

/** All volumes of a checkpoint, checked against QEMU's own export. */
async function wholeOf(t: Test, machine: LibvirtMachine, checkpoint: Checkpoint): Promise<Buffer[]> {
  const contents: Buffer[] = [];
  for (const volume of checkpoint.volumes) {
    const content = await contentOf(volume);
    t.ok(content.equals(exported(machine, volume.name)), `${volume.name} is exact`);
    contents.push(content);
  }
  return contents;
}

async function incrementOf(
  t: Test,
  machine: LibvirtMachine,
  checkpoint: Checkpoint,
  before: readonly Buffer[],
): Promise<{ contents: Buffer[]; bytes: number[] }> {
  const contents: Buffer[] = [];
  const bytes: number[] = [];
  for (const [index, volume] of checkpoint.volumes.entries()) {
    t.ok(volume.changesKnown, `${volume.name}: changes are known`);
    const changed = await applyChanges(volume, before[index] ?? Buffer.alloc(0));
    t.ok(changed.content.equals(exported(machine, volume.name)), `${volume.name} is exact by its changes`);
    contents.push(changed.content);
    bytes.push(changed.bytes);
  }
  return { contents, bytes };
}

async function done(checkpoint: Checkpoint): Promise<void> {
  await checkpoint.acknowledge();
  await checkpoint.close();
  await checkpoint.close();
}

const atRest = (id: string, disks = 2): string[] => {
  return [...Array.from({ length: disks }, () => `bitmap umbra-${id}`), `checkpoint umbra-${id}`];
};

t.test('checkpoints through libvirt', async (t) => {
  const daemon = await privateLibvirt(t);
  await t.test('full, incremental, off, on again, killed', (t) => lifeOf(t, daemon));
  await t.test('disks that change', (t) => changingDisks(t, daemon));
  await t.test('what is somebody else’s', (t) => foreign(t, daemon));
});

async function lifeOf(t: Test, daemon: PrivateLibvirt): Promise<void> {
  const machine = new LibvirtMachine(daemon, 'life', ['qcow2', 'qcow2']);
  await machine.define();
  await machine.start('running');
  const tracker = machine.tracker();
  await machine.write(0, 'write -P 1 0 1M');
  await machine.write(1, 'write -P 2 5M 300k');

  const first = await tracker.checkpoint(request('c1'));
  t.match(first, { id: 'c1', consistency: 'crash', pauseMs: 0, notes: [/not brought to rest: .*not configured/] });
  t.match(first.volumes, [
    {
      name: 'vda',
      path: join(machine.directory, 'vda.qcow2'),
      format: 'qcow2',
      sizeBytes: DISK_BYTES,
      changesKnown: false,
    },
    { name: 'vdb', changesKnown: false },
  ]);
  t.strictSame(
    first.config.map(({ name }) => name),
    ['domain.xml', 'live.xml'],
  );
  const full = await wholeOf(t, machine, first);
  await machine.write(0, 'write -P 3 512k 1M');
  t.ok(full[0]?.equals(await contentOf(volumeOf(first, 'vda'))), 'the view stands still');
  await done(first);
  t.strictSame(await machine.left(), atRest('c1'));

  await machine.write(0, 'write -P 4 7M 64k');
  await machine.write(1, 'write -z 5M 128k');
  const second = await tracker.checkpoint(request('c2', 'c1'));
  const increment = await incrementOf(t, machine, second, full);
  t.strictSame(increment.bytes, [MIB + 64 * 1024, 128 * 1024]);
  await second.close();
  t.strictSame(await machine.left(), [...atRest('c1'), ...atRest('c2')].sort(), 'not acknowledged');

  await machine.write(0, 'write -P 5 0 64k');
  const third = await tracker.checkpoint(request('c3', 'c1'));
  const { contents } = await incrementOf(t, machine, third, full);
  await done(third);
  t.strictSame(await machine.left(), atRest('c3'), 'what the server never had is gone');

  const scan = await new LiveScanTracker(machine.tracker({ records: false })).checkpoint(request('s1', 'c3'));
  await machine.write(0, 'write -P 9 0 64k');
  t.ok(contents[0]?.equals(await contentOf(volumeOf(scan, 'vda'))), 'a scan reads one instant');
  t.notOk(volumeOf(scan, 'vda').changesKnown);
  await done(scan);
  t.strictSame(await machine.left(), [], 'a scan records nothing');
  await done(await tracker.checkpoint(request('c3')));
  await machine.write(0, 'write -P 5 0 64k');

  await machine.write(1, 'write -P 6 1M 64k');
  await machine.stop();
  const off = await tracker.checkpoint(request('off1', 'c3'));
  t.match(off, { consistency: 'offline', pauseMs: 0, config: [{ name: 'domain.xml' }] });
  // libvirt may say no more than that QEMU's monitor is gone.
  await t.rejects(machine.start(), 'it can’t start while it is read');
  t.match(daemon.qemuLog('life'), /Failed to get .*lock/);
  const read = await Promise.all(off.volumes.map((volume) => contentOf(volume)));
  t.ok(read[0]?.equals(contents[0] ?? Buffer.alloc(0)));
  t.notOk(read[1]?.equals(contents[1] ?? Buffer.alloc(0)));
  await done(off);

  await machine.start();
  await machine.write(0, 'write -P 7 2M 64k');
  const fourth = await tracker.checkpoint(request('c4', 'off1'));
  await incrementOf(t, machine, fourth, read);
  await done(fourth);
  t.strictSame(await machine.left(), atRest('c4'));

  // A bitmap that was stored once is there after a kill, and of no use.
  await machine.stop();
  await machine.start();
  await machine.kill();
  await machine.start();
  await machine.write(0, 'write -P 8 3M 64k');
  const fifth = await tracker.checkpoint(request('c5', 'c4'));
  t.ok(fifth.volumes.every(({ changesKnown }) => !changesKnown));
  t.match(fifth.notes, [/missing or broken bitmap/]);
  await wholeOf(t, machine, fifth);
  await done(fifth);
  t.strictSame(await machine.left(), atRest('c5'));

  await tracker.forget();
  t.strictSame(await machine.left(), []);
}

async function changingDisks(t: Test, daemon: PrivateLibvirt): Promise<void> {
  const machine = new LibvirtMachine(daemon, 'disks', ['qcow2', 'raw']);
  await machine.define();
  await machine.start();
  const tracker = machine.tracker();
  const first = await tracker.checkpoint(request('c1'));
  await done(first);
  await machine.stop();
  qemuImg('resize', '-q', join(machine.directory, 'vda.qcow2'), '9M');
  machine.addDisk('qcow2');
  await machine.define();
  await machine.start();
  await machine.write(1, 'write -P 1 0 64k');

  const second = await tracker.checkpoint(request('c2', 'c1'));
  t.match(second.notes, [/^vda: it was resized/, /^vdb: its format raw keeps no bitmaps/, /^vdc: it is new/]);
  t.ok(second.volumes.every(({ changesKnown }) => !changesKnown));
  t.equal(volumeOf(second, 'vda').sizeBytes, 9 * MIB);
  const contents = await wholeOf(t, machine, second);
  await done(second);
  t.strictSame(await machine.left(), atRest('c2'));

  await machine.write(1, 'write -P 2 0 128k');
  await machine.write(2, 'write -P 3 0 64k');
  const third = await tracker.checkpoint({ ...request('c3', 'c2'), volumes: ['vdb', 'vdc', 'vdz'] });
  t.match(third.notes, ['the machine has no volume vdz', /^vdb: its format raw/]);
  t.strictSame(
    third.volumes.map(({ name, changesKnown }) => [name, changesKnown]),
    [
      ['vdb', false],
      ['vdc', true],
    ],
  );
  const changed = await applyChanges(volumeOf(third, 'vdc'), contents[2] ?? Buffer.alloc(0));
  t.equal(changed.bytes, 64 * 1024);
  t.ok(changed.content.equals(exported(machine, 'vdc')));
  t.ok((await contentOf(volumeOf(third, 'vdb'))).equals(exported(machine, 'vdb')));
  await done(third);
  t.strictSame(await machine.left(), atRest('c3', 1));

  const none = tracker.checkpoint({ ...request('c4', 'c3'), volumes: ['vdz'] });
  await t.rejects(none, { code: 'TRACKER_UNAVAILABLE', message: /no volume vdz/ });
  await machine.stop();
  await tracker.forget();
  t.strictSame(await daemon.virsh('checkpoint-list', machine.name, '--name'), '');
  t.notMatch(qemuImg('info', join(machine.directory, 'vdc.qcow2')), /bitmaps/);
}

async function foreign(t: Test, daemon: PrivateLibvirt): Promise<void> {
  const machine = new LibvirtMachine(daemon, 'foreign', ['qcow2']);
  await machine.define();
  await machine.start();
  const { libvirt, domain } = await connectTo(t, machine);
  const socket = join(machine.directory, 'other.sock');
  const backup = `<domainbackup mode='pull'><server transport='unix' socket='${socket}'/></domainbackup>`;
  await libvirt.backupBegin(domain, backup, '<domaincheckpoint><name>umbra-by-hand</name></domaincheckpoint>');
  const theirs = ['bitmap umbra-by-hand', 'checkpoint umbra-by-hand'];
  const tracker = machine.tracker();
  await t.rejects(tracker.checkpoint(request('c1')), { code: 'TRACKER_BUSY', hint: /virsh domjobabort foreign/ });
  t.match(await libvirt.backupXml(domain), socket, 'it runs on');
  await libvirt.abortJob(domain);
  while ((await machine.left()).some((each) => each.startsWith('job')));

  const first = await tracker.checkpoint(request('c1'));
  const contents = await wholeOf(t, machine, first);
  await done(first);
  await machine.write(0, 'write -P 9 1M 64k');
  const second = await tracker.checkpoint(request('c2', 'c1'));
  const { bytes } = await incrementOf(t, machine, second, contents);
  t.strictSame(bytes, [64 * 1024]);
  await done(second);
  t.strictSame(await machine.left(), [...theirs, ...atRest('c2', 1)].sort());
  await tracker.forget();
  t.strictSame(await machine.left(), theirs);

  const cancelled = new AbortController();
  cancelled.abort();
  await t.rejects(tracker.checkpoint({ ...request('c9'), signal: cancelled.signal }), { code: 'CANCELLED' });
  await t.rejects(machine.tracker({ uuid: 'nonsense' }).checkpoint(request('c9')), { code: 'BAD_ARGUMENT' });
  await t.rejects(tracker.checkpoint(request('C 9')), { code: 'INTERNAL' });
  t.strictSame(await machine.left(), theirs);
}

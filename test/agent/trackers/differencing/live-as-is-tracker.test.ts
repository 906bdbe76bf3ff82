import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ImagesMachine } from '../../../../agent/trackers/differencing/images-machine.js';
import { LibvirtOverlayMachine } from '../../../../agent/trackers/differencing/libvirt-machine.js';
import { LiveAsIsTracker } from '../../../../agent/trackers/differencing/live-as-is-tracker.js';
import { openOnOrOff } from '../../../../agent/trackers/differencing/qmp-machine.js';
import type { Checkpoint, CheckpointRequest } from '../../../../agent/trackers/tracker.js';
import { systemClock, type Clock } from '../../../../src/common/clock.js';
import { CHAINS_FILE, decodeChains } from '../../../../src/protocol/stored-chains.js';
import { contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { privateLibvirt } from '../../../kit/libvirt.js';
import { LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { chainsOf, kept, overlaysIn, overlayTracker } from '../../../kit/overlays.js';
import { startMachine, writeDisk, type Machine } from '../../../kit/qemu-machine.js';
import { qemuImg } from '../../../kit/qemu.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

/** What was written just now could be written again without a trace in its times; so all is a while ago. */
const later: Clock = { ...systemClock, now: () => systemClock.now() + 60_000 };

interface Lab {
  readonly file: (name: string) => string;
  readonly machine: Machine;
  readonly tracker: LiveAsIsTracker;
}

async function startLab(t: Test, format: 'raw' | 'vmdk'): Promise<Lab> {
  const directory = temporaryDirectory(t);
  const file = (name: string): string => join(directory, name);
  mkdirSync(file('state'));
  qemuImg('create', '-q', '-f', 'raw', file('base'), '8M');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', file('base'), '-F', 'raw', file('top'));
  qemuImg('create', '-q', '-f', format, file('other'), '8M');
  const args = [
    '-blockdev',
    `{"driver": "${format}", "node-name": "o", "file": {"driver": "file", "filename": "${file('other')}"}}`,
  ];
  const machine = await startMachine(t, directory, {
    disks: [{ file: file('top'), format: 'qcow2', id: 'vda' }],
    args: [...args, '-device', 'virtio-blk-pci,drive=o,id=vdb'],
  });
  const { qmpSocket } = machine;
  const volumes = [{ name: 'vda', path: file('top'), format: 'qcow2', backing: [file('base')] }] as const;
  const off = new ImagesMachine(volumes, () => Promise.resolve([]), { startsFromNewest: true });
  const tracker = new LiveAsIsTracker({
    machine: 'm',
    stateDirectory: file('state'),
    stateFile: file('state/files.json'),
    open: () => openOnOrOff({ qmpSocket, clock: systemClock }, off),
    clock: later,
  });
  return { file, machine, tracker };
}

t.test('files below the one that a machine writes to are not read again', async (t) => {
  const { file, machine, tracker } = await startLab(t, 'raw');
  const { monitor } = machine;
  const vda = (id: string, since?: string): CheckpointRequest => ({ ...request(id, since), volumes: ['vda'] });
  await writeDisk(monitor, 'vda', 'write -P 1 0 1M');
  t.equal(await tracker.isInUse(), false);
  const first = await tracker.checkpoint({ ...vda('c1'), volumes: ['vda', 'vdz'] });
  t.match(first.notes, ['the machine has no volume vdz', /guest agent/]);
  await writeDisk(monitor, 'vda', 'write -P 2 1M 1M');
  t.ok((await contentOf(volumeOf(first, 'vda.1'))).equals(readFileSync(file('top'))), 'the file, byte for byte');
  t.ok((await contentOf(volumeOf(first, 'vda.0'))).equals(readFileSync(file('base'))));
  const chains = decodeChains(first.config.find(({ name }) => name === CHAINS_FILE)?.data ?? Buffer.of());
  t.match(chains, [{ disk: 'vda', files: [{ volume: 'vda.0', path: file('base') }, { path: file('top') }] }]);
  await first.assertUnchanged?.();
  await kept(first);
  t.equal(await tracker.isInUse(), true);

  // One that the server never gets leaves no more behind.
  await (await tracker.checkpoint(vda('x1', 'c1'))).close();
  const second = await tracker.checkpoint(vda('c2', 'c1'));
  t.same(
    second.volumes.map(({ changesKnown }) => changesKnown),
    [true, false],
  );
  await kept(second);
  t.same(await chainsOf(monitor), [['umbra-c2-vda.qcow2', 'top', 'base'], ['other']]);
  const all = await tracker.checkpoint(request('c3', 'c2'));
  t.same(
    all.volumes.map(({ name }) => name),
    ['vda.0', 'vda.1', 'vdb.0'],
  );
  await kept(all);
  await tracker.recover();
  // Whoever unprotects a machine has all of its trackers let go of it.
  await overlayTracker(file('.'), machine.qmpSocket).forget();
  await tracker.forget();
  t.equal(await tracker.isInUse(), false);
  t.same(await chainsOf(monitor), [['top', 'base'], ['other']]);
  await machine.stop();
  const off = await tracker.checkpoint(request('c4', 'c3'));
  t.match(off, { consistency: 'offline', notes: [], volumes: [{ changesKnown: false }, { name: 'vda.1' }] });
  await off.close();
});

t.test('a disk that cannot be stored as it is gets no overlay', async (t) => {
  const { machine, tracker } = await startLab(t, 'vmdk');
  await t.rejects(tracker.checkpoint(request('c1')), { code: 'IMAGE_FORMAT', message: /vdb is a vmdk image/ });
  t.same(await chainsOf(machine.monitor), [['top', 'base'], ['other']]);
  t.equal(await tracker.isInUse(), false);
});

t.test('a domain of libvirt, while it runs and while it is off', async (t) => {
  const machine = new LibvirtMachine(await privateLibvirt(t), 'files', ['raw', 'qcow2']);
  const { directory } = machine;
  await machine.define();
  await machine.start('running');
  const { machine: name, address, uuid, stateDirectory } = machine.trackerOptions();
  const open = (): Promise<LibvirtOverlayMachine> => LibvirtOverlayMachine.open({ address, uuid, clock: systemClock });
  const stateFile = join(stateDirectory, 'files.json');
  const tracker = new LiveAsIsTracker({ machine: name, stateDirectory, stateFile, open, clock: later });
  const isExact = async (checkpoint: Checkpoint): Promise<void> => {
    for (const volume of checkpoint.volumes)
      t.ok((await contentOf(volume)).equals(readFileSync(volume.path)), volume.path);
    await kept(checkpoint);
  };
  await machine.write(1, 'write -P 1 0 1M');
  await isExact(await tracker.checkpoint(request('c1')));
  await machine.write(1, 'write -P 2 1M 64k');
  const second = await tracker.checkpoint(request('c2', 'c1'));
  t.match(second, { consistency: 'crash', pauseMs: 0, config: [{ name: 'domain.xml' }, {}, { name: CHAINS_FILE }] });
  t.same(
    second.volumes.map(({ name: volume }) => volume),
    ['vda.0', 'vdb.0'],
  );
  await isExact(second);
  t.same(overlaysIn(directory), ['umbra-c2-vda.qcow2', 'umbra-c2-vdb.qcow2']);
  await machine.stop();
  const off = await tracker.checkpoint(request('c3', 'c2'));
  t.match(off, { consistency: 'offline', notes: [] });
  t.same(
    off.volumes.map(({ name: volume }) => volume),
    ['vda.0', 'vda.1', 'vdb.0', 'vdb.1'],
    'also the overlays that are there',
  );
  await isExact(off);
  await tracker.forget();
  t.same(overlaysIn(directory), []);
});

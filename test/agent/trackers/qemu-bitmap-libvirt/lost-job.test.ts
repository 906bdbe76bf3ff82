import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DifferencingTracker } from '../../../../agent/trackers/differencing/differencing-tracker.js';
import { LibvirtOverlayMachine } from '../../../../agent/trackers/differencing/libvirt-machine.js';
import { runQemuImg } from '../../../../agent/images/qemu-program.js';
import { systemClock } from '../../../../src/common/clock.js';
import { silentLog } from '../../../../src/common/log.js';
import { request } from '../../../kit/checkpoints.js';
import { privateLibvirt } from '../../../kit/libvirt.js';
import { LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { kept, overlaysIn } from '../../../kit/overlays.js';

t.test('libvirt was killed as it began a backup, and waits for its end', async (t) => {
  const daemon = await privateLibvirt(t);
  const machine = new LibvirtMachine(daemon, 'lost', ['qcow2']);
  await machine.define();
  await machine.start();
  await daemon.kill();
  // What libvirt had noted of the domain then.
  const noted = join(daemon.stateDirectory, `${machine.name}.xml`);
  const job = `<job type='none' async='backup' phase='none' flags='0x0'/>`;
  writeFileSync(noted, readFileSync(noted, 'utf8').replace('<nodename index', `${job}<nodename index`));
  await daemon.start();

  const { machine: name, address, uuid, stateDirectory } = machine.trackerOptions();
  const open = (): Promise<LibvirtOverlayMachine> => LibvirtOverlayMachine.open({ address, uuid, clock: systemClock });
  const overlays = new DifferencingTracker({ machine: name, stateDirectory, open });
  const bitmaps = machine.tracker();
  const refused = {
    code: 'TRACKER_BUSY',
    message: /as it began a backup of lost/,
    hint: /^Shut the machine down, start libvirt again/,
  };
  for (const tracker of [bitmaps, overlays]) await t.rejects(tracker.checkpoint(request('c1')), refused);
  t.same(overlaysIn(machine.directory), []);
  await bitmaps.recover();

  await machine.kill();
  await daemon.kill();
  await daemon.start();
  await machine.start();
  await kept(await bitmaps.checkpoint(request('c2')));
});

t.test('libvirt was killed before it had QEMU let go of scratch files', async (t) => {
  const daemon = await privateLibvirt(t);
  const machine = new LibvirtMachine(daemon, 'scratch', ['qcow2']);
  await machine.define();
  await machine.start();
  const warnings: string[] = [];
  const tracker = machine.tracker({ log: { ...silentLog, warn: (message) => warnings.push(message) } });
  await kept(await tracker.checkpoint(request('c1')));
  const atRest = await machine.left();
  const monitor = async (execute: string, args: object): Promise<unknown> =>
    await daemon.virsh('qemu-monitor-command', machine.name, JSON.stringify({ execute, arguments: args }));
  const directory = join(machine.directory, 'scratch', 'umbra-scratch-old');
  mkdirSync(directory);
  const filename = join(directory, '0.qcow2');
  await runQemuImg(filename, ['create', '-q', '-f', 'qcow2', filename, '1M']);
  const [file, node] = ['libvirt-99-storage', 'libvirt-99-format'];
  await monitor('blockdev-add', { driver: 'file', 'node-name': file, filename });
  await monitor('blockdev-add', { driver: 'qcow2', 'node-name': node, file });
  await monitor('block-dirty-bitmap-add', { node, name: 'umbra-reading', persistent: false });
  const path = join(machine.directory, 'socket');
  await monitor('nbd-server-start', { addr: { type: 'unix', data: { path } } });
  await monitor('block-export-add', { type: 'nbd', id: 'e', 'node-name': node });
  await tracker.recover();
  t.same(await machine.left(), ['bitmap umbra-reading', 'file umbra-scratch-old', ...atRest].toSorted(), 'in use');
  t.match(warnings, [/still in use/]);
  await monitor('nbd-server-stop', {});
  await kept(await tracker.checkpoint(request('c2', 'c1')));
  t.same(await machine.left(), ['bitmap umbra-c2', 'checkpoint umbra-c2']);
  t.notMatch(await daemon.virsh('qemu-monitor-command', machine.name, '--hmp', 'info block -n'), /libvirt-99/);
  t.equal(warnings.length, 1);
});

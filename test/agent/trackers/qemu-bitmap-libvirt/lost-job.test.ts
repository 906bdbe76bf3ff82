import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DifferencingTracker } from '../../../../agent/trackers/differencing/differencing-tracker.js';
import { LibvirtOverlayMachine } from '../../../../agent/trackers/differencing/libvirt-machine.js';
import { systemClock } from '../../../../src/common/clock.js';
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

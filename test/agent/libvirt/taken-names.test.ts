import t from 'tap';
import { list, record, text } from '../../../agent/json-values.js';
import { pastTakenNames } from '../../../agent/libvirt/taken-names.js';
import { DifferencingTracker } from '../../../agent/trackers/differencing/differencing-tracker.js';
import { LibvirtOverlayMachine } from '../../../agent/trackers/differencing/libvirt-machine.js';
import { systemClock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { request } from '../../kit/checkpoints.js';
import { privateLibvirt } from '../../kit/libvirt.js';
import { LibvirtMachine } from '../../kit/libvirt-machine.js';
import { kept } from '../../kit/overlays.js';

/** Take the names of the next nodes, as a libvirtd does that is killed before it notes that it has. */
async function takeNames(machine: LibvirtMachine): Promise<void> {
  const ask = async (command: object): Promise<unknown> => {
    const answer = await machine.daemon.virsh('qemu-monitor-command', machine.name, JSON.stringify(command));
    return record(JSON.parse(answer))['return'];
  };
  const nodes = list(await ask({ execute: 'query-named-block-nodes', arguments: { flat: true } })).map(record);
  const numbers = nodes.map((node) => Number(/^libvirt-(\d+)-/.exec(text(node['node-name']) ?? '')?.[1] ?? 0));
  for (let number = Math.max(...numbers) + 1, end = number + 6; number < end; number += 1) {
    const node = { driver: 'null-co', 'node-name': `libvirt-${number}-storage` };
    await ask({ execute: 'blockdev-add', arguments: node });
  }
}

t.test('nodes that a killed libvirtd left in a QEMU are in the way of nobody', async (t) => {
  const machine = new LibvirtMachine(await privateLibvirt(t), 'left', ['qcow2', 'qcow2']);
  await machine.define();
  await machine.start();
  await takeNames(machine);
  const bitmaps = machine.tracker();
  await kept(await bitmaps.checkpoint(request('b1')));
  await takeNames(machine);
  await kept(await bitmaps.checkpoint(request('b2', 'b1')));
  await bitmaps.forget();

  const { machine: name, address, uuid, stateDirectory } = machine.trackerOptions();
  const open = (): Promise<LibvirtOverlayMachine> => LibvirtOverlayMachine.open({ address, uuid, clock: systemClock });
  const overlays = new DifferencingTracker({ machine: name, stateDirectory, open });
  await takeNames(machine);
  await kept(await overlays.checkpoint(request('o1')));
  await takeNames(machine);
  const second = await overlays.checkpoint(request('o2', 'o1'));
  t.ok(second.volumes.every(({ changesKnown }) => changesKnown));
  await kept(second);
  await overlays.forget();
});

t.test('what else fails, and what does not end', async (t) => {
  let tries = 0;
  const failing = (message: string): Promise<void> =>
    pastTakenNames(() => {
      tries += 1;
      return Promise.reject(new UmbraError('HYPERVISOR_FAILED', message));
    });
  await t.rejects(failing('no'), { message: 'no' });
  t.equal(tries, 1);
  await t.rejects(failing("Duplicate nodes with node-name='libvirt-1-storage'"), { code: 'HYPERVISOR_FAILED' });
  t.equal(tries, 65);
});

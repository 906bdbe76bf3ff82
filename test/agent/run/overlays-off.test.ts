import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { AgentBackupAnswer, MachinesResult } from '../../../src/protocol/agents-api.js';
import { startAgentLab } from '../../kit/agent-lab.js';
import { makeDisks } from '../../kit/machine-lab.js';
import { imageContent, overlaysIn } from '../../kit/overlays.js';
import { startMachine, writeDisk } from '../../kit/qemu-machine.js';

const KIB = 1024;

t.test('a machine over QMP with overlays that is on, off, on again, and let go of while it is off', async (t) => {
  const lab = await startAgentLab(t);
  const directory = join(lab.directory, 'vm');
  mkdirSync(directory);
  const disks = makeDisks(directory, ['raw']);
  const image = disks[0]?.file ?? '';
  const newest = (): string => join(directory, overlaysIn(directory).at(-1) ?? 'none');
  const backUp = async (): Promise<AgentBackupAnswer> => (await lab.umbra('backup', 'vm1')) as AgentBackupAnswer;
  const restored = async (): Promise<Buffer> => {
    const to = join(lab.directory, 'vda.raw');
    rmSync(to, { force: true });
    await lab.umbra('restore', 'vm1', '--to', to, '--volume', 'vda');
    return readFileSync(to);
  };
  const first = await startMachine(t, directory, { disks });
  const socket = `{name: vm1, socket: ${first.qmpSocket}, overlays: true}`;
  await lab.agent('hv1', `libvirt: "off"\nqmp: [${socket}]\ndiscoverSeconds: 3600`);
  await lab.umbra('protect', 'vm1', '--tracker', 'differencing');
  await writeDisk(first.monitor, 'vda', 'write -P 1 0 1M');
  t.match(await backUp(), { tracker: 'differencing', consistency: 'crash' });
  await backUp();
  await writeDisk(first.monitor, 'vda', 'write -P 2 2M 64k');
  await first.stop();
  // Nobody has looked at it since its last backup, which put a new overlay on its disk and took the one before away.
  t.match(await backUp(), { tracker: 'differencing', consistency: 'offline', pauseMs: 0, readBytes: 64 * KIB });
  t.ok((await restored()).equals(imageContent(newest(), 'qcow2')), 'off');
  t.match(await backUp(), { consistency: 'offline', readBytes: 0 });

  const second = await startMachine(t, directory, { disks: [{ file: newest(), format: 'qcow2', id: 'vda' }] });
  await writeDisk(second.monitor, 'vda', 'write -P 3 3M 64k');
  const on = await backUp();
  t.match(on, { tracker: 'differencing', consistency: 'crash' });
  t.ok(on.readBytes <= 256 * KIB, `${on.readBytes} bytes were read`);
  t.equal(overlaysIn(directory).length, 1, 'merged');
  await writeDisk(second.monitor, 'vda', 'write -P 4 4M 64k');
  await second.stop();

  await lab.umbra('protect', 'vm1', '--tracker', 'scan');
  t.match(await backUp(), { tracker: 'scan', consistency: 'offline' }, 'by the images that are left');
  t.same(overlaysIn(directory), []);
  const content = imageContent(image, 'raw');
  t.same(
    [1, 2, 3, 4].map((at) => content[at === 1 ? 0 : at * KIB * KIB]),
    [1, 2, 3, 4],
    'all of it was merged',
  );
  t.ok((await restored()).equals(content));
  const { machines } = (await lab.umbra('machines', '--discover')) as MachinesResult;
  t.match(machines[0]?.discovered, { state: 'off', volumes: [{ path: image, format: 'raw', backing: [] }] });
});

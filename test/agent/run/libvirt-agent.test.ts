import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { AgentBackupAnswer } from '../../../src/protocol/agents-api.js';
import { startAgentLab } from '../../kit/agent-lab.js';
import { domainXml, privateLibvirt } from '../../kit/libvirt.js';
import { qemuImg } from '../../kit/qemu.js';

t.test("a domain's configuration is kept, and nothing of a tracker that is not used any more", async (t) => {
  const [lab, libvirt] = [await startAgentLab(t), await privateLibvirt(t)];
  const path = join(libvirt.directory, 'disk.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', path, '8M');
  await libvirt.define(domainXml({ name: 'vm1', disks: [{ target: 'vda', path, format: 'qcow2' }] }));
  await lab.agent('hv1', `libvirt: ${libvirt.socketPath}\ndiscoverSeconds: 3600`);
  const backUp = async (tracker: string): Promise<AgentBackupAnswer> => {
    await lab.umbra('protect', 'vm1', '--tracker', tracker);
    return (await lab.umbra('backup', 'vm1')) as AgentBackupAnswer;
  };

  t.match(await backUp('scan'), { tracker: 'scan', consistency: 'offline' }, 'a domain that is off');
  const target = join(lab.directory, 'restored');
  await lab.umbra('restore', 'vm1', '--to', target);
  t.match(readFileSync(join(target, 'config', 'domain.xml'), 'utf8'), /<name>vm1<\/name>/);

  await libvirt.virsh('start', 'vm1');
  t.match(await backUp('qemu-bitmap'), { tracker: 'qemu-bitmap' });
  t.match(await libvirt.virsh('checkpoint-list', 'vm1', '--name'), /umbra-/);
  t.match(await backUp('scan'), { tracker: 'scan', consistency: 'crash' });
  t.equal((await libvirt.virsh('checkpoint-list', 'vm1', '--name')).trim(), '', 'no bitmap records on');
  t.match(await lab.umbra('unprotect', 'vm1'), { agent: 'done' });
});

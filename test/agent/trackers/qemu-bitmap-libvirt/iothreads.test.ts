import { join } from 'node:path';
import t from 'tap';
import { disksWithThread } from '../../../../agent/trackers/qemu-bitmap-libvirt/iothreads.js';
import { parseXml } from '../../../../agent/xml.js';
import { request } from '../../../kit/checkpoints.js';
import { domainXml, privateLibvirt } from '../../../kit/libvirt.js';
import { LibvirtMachine } from '../../../kit/libvirt-machine.js';

t.test('a domain with disks that QEMU serves in threads of their own is refused, and runs on', async (t) => {
  const daemon = await privateLibvirt(t);
  const machine = new LibvirtMachine(daemon, 'thread', ['qcow2', 'qcow2']);
  const { name, uuid } = machine;
  const disks = ['vda', 'vdb'].map((target) => {
    return { target, path: join(machine.directory, `${target}.qcow2`), format: 'qcow2' };
  });
  const xml = domainXml({ name, uuid, disks }).replace('</vcpu>', '</vcpu><iothreads>1</iothreads>');
  await daemon.define(xml.replace("type='qcow2'", "$& iothread='1'"));
  await machine.start();
  const tracker = machine.tracker();
  await t.rejects(tracker.checkpoint(request('c1')), {
    code: 'TRACKER_UNAVAILABLE',
    message: /^QEMU \d.* may crash when disks with an iothread are read: vda$/,
  });
  const other = await tracker.checkpoint({ ...request('c1'), volumes: ['vdb'] });
  await other.close();
  t.equal((await daemon.virsh('domstate', name)).trim(), 'paused');
});

t.test('threads of disks and of their controllers', (t) => {
  const disk = (dev: string, bus: string, more = ''): string =>
    `<disk><target dev='${dev}' bus='${bus}'/>${more}</disk>`;
  const xml = `<domain><devices>
    <controller type='scsi' index='1'><driver iothread='2'/></controller><controller type='scsi' index='2'/>
    <controller type='virtio-serial'><driver iothread='2'/></controller>
    ${disk('vda', 'virtio', "<driver iothread='1'/>")}${disk('vdb', 'virtio', '<driver/>')}
    ${disk('vdc', 'virtio', "<driver><iothreads><iothread id='1'/></iothreads></driver>")}
    ${disk('sda', 'scsi', "<address controller='1'/>")}${disk('sdb', 'scsi', "<address controller='2'/>")}
    ${disk('sdc', 'sata', "<address controller='1'/>")}${disk('sdd', 'scsi')}
    <disk><driver iothread='1'/></disk></devices></domain>`;
  t.strictSame(disksWithThread(parseXml(xml, 'x')), ['vda', 'vdc', 'sda', '']);
  t.strictSame(disksWithThread(parseXml(xml.replace("index='1'", ''), 'x')), ['vda', 'vdc', 'sdd', '']);
  t.end();
});

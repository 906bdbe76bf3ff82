import { join } from 'node:path';
import { rmSync } from 'node:fs';
import t from 'tap';
import { discoverConfigFiles } from '../../../agent/discovery/config-files.js';
import { discoverLibvirt, libvirtConfig } from '../../../agent/discovery/libvirt.js';
import { Libvirt } from '../../../agent/libvirt/libvirt.js';
import { MESSAGE, PROGRAM, REMOTE, STATUS } from '../../../agent/libvirt/protocol.js';
import { XdrWriter } from '../../../agent/libvirt/xdr.js';
import { fakeLibvirt, libvirtErrorBody, libvirtReply } from '../../kit/fake-libvirt.js';
import { domainXml, privateLibvirt } from '../../kit/libvirt.js';
import { qemuImg } from '../../kit/qemu.js';

const MIB = 1024 * 1024;

void t.test('domains of a real libvirt', async (t) => {
  const daemon = await privateLibvirt(t);
  const at = (name: string): string => join(daemon.directory, name);
  qemuImg('create', '-q', '-f', 'raw', at('base.raw'), '4M');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', at('base.raw'), '-F', 'raw', at('middle.qcow2'));
  for (const name of ['live', 'off']) {
    qemuImg('create', '-q', '-f', 'qcow2', '-b', 'middle.qcow2', '-F', 'qcow2', at(`${name}.qcow2`), '8M');
  }
  const disk = (name: string, target = 'vda'): { target: string; path: string; format: string } => {
    return { target, path: at(`${name}.qcow2`), format: 'qcow2' };
  };
  const cdrom = `<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>`;
  await daemon.define(domainXml({ name: 'live', disks: [disk('live')], devices: cdrom }));
  await daemon.define(domainXml({ name: 'off', disks: [disk('off'), disk('gone', 'vdb')] }));
  await daemon.virsh('start', '--paused', 'live');
  const libvirt = await Libvirt.open(daemon.address);
  t.teardown(() => libvirt.close());

  const backing = [at('middle.qcow2'), at('base.raw')];
  const { machines, notes } = await discoverLibvirt(libvirt);
  t.strictSame(notes, []);
  const [live, off] = [...machines].sort((a, b) => a.name.localeCompare(b.name));
  t.match(live?.uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  t.strictSame(live && { ...live, uuid: undefined }, {
    name: 'live',
    uuid: undefined,
    source: 'libvirt',
    state: 'paused',
    volumes: [{ name: 'vda', path: at('live.qcow2'), format: 'qcow2', backing, sizeBytes: 8 * MIB }],
    skipped: [{ name: 'sda', reason: 'it is a CD drive' }],
    configPaths: [],
  });
  t.equal(off?.state, 'off');
  t.strictSame(off?.volumes, [
    { name: 'vda', path: at('off.qcow2'), format: 'qcow2', backing, sizeBytes: 8 * MIB },
    { name: 'vdb', path: at('gone.qcow2'), format: 'qcow2', backing: [] },
  ]);

  const files = await discoverConfigFiles(join(daemon.directory, 'config', 'qemu'));
  t.strictSame(files.notes, []);
  t.strictSame(
    files.machines.map(({ name, uuid }) => ({ name, uuid })),
    [live, off].map((machine) => ({ name: machine?.name, uuid: machine?.uuid })),
    'the files that libvirt keeps say the same',
  );
  t.strictSame(
    files.machines[0]?.volumes,
    live?.volumes.map(({ name, path, format }) => ({ name, path, format, backing })),
  );

  const names = async (name: string): Promise<string[]> => {
    const files = await libvirtConfig(libvirt, await libvirt.domainByName(name));
    for (const { data } of files) t.match(Buffer.from(data).toString(), `<name>${name}</name>`);
    return files.map((file) => file.name);
  };
  t.strictSame(await names('live'), ['domain.xml', 'live.xml']);
  t.strictSame(await names('off'), ['domain.xml']);
  rmSync(at('live.qcow2'));
});

void t.test('domains that make trouble are left out with a note', async (t) => {
  const names = ['gone', 'failing', 'odd', 'good'];
  const path = await fakeLibvirt(t, (call, socket) => {
    if (call.program !== PROGRAM.remote || call.type !== MESSAGE.call) return false;
    const name = names.find((each) => call.body.includes(each));
    if (call.procedure === REMOTE.connectListAllDomains) {
      const list = new XdrWriter().uint(names.length);
      for (const each of names) list.string(each).opaque(Buffer.alloc(16, each)).int(-1);
      return socket.write(libvirtReply(call, list.bytes()));
    }
    if (call.procedure === REMOTE.domainGetState) {
      if (name === 'gone') return socket.write(libvirtReply(call, libvirtErrorBody(42, 'no domain'), STATUS.error));
      if (name === 'failing') return socket.write(libvirtReply(call, libvirtErrorBody(38, 'I/O'), STATUS.error));
      return socket.write(libvirtReply(call, new XdrWriter().int(0).int(0).bytes()));
    }
    if (call.procedure !== REMOTE.domainGetXmlDesc) return false;
    const xml = name === 'odd' ? '<odd' : `<domain><name>${name ?? ''}</name></domain>`;
    return socket.write(libvirtReply(call, new XdrWriter().string(xml).bytes()));
  });
  const libvirt = await Libvirt.open({ sockets: [path], name: 'qemu:///system' });
  t.teardown(() => libvirt.close());
  const { machines, notes } = await discoverLibvirt(libvirt);
  t.match(machines, [{ name: 'good', state: 'unknown', volumes: [], skipped: [] }]);
  t.match(notes, [/domain failing is left out: libvirt: I\/O/, /domain odd is left out: the XML of odd is no XML/]);
});

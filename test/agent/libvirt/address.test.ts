import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { libvirtAddress } from '../../../agent/libvirt/address.js';
import { Libvirt } from '../../../agent/libvirt/libvirt.js';
import { fakeLibvirt } from '../../kit/fake-libvirt.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const environment = { runtimeDirectory: '/run/user/7' };

void t.test('addresses', async (t) => {
  const system = ['/run/libvirt/virtqemud-sock', '/run/libvirt/libvirt-sock'];
  for (const text of ['auto', 'qemu:///system', 'qemu+unix:///system']) {
    t.strictSame(libvirtAddress(text, environment), { sockets: system, name: 'qemu:///system' });
  }
  t.strictSame(libvirtAddress('qemu:///session', environment), {
    sockets: ['/run/user/7/libvirt/virtqemud-sock', '/run/user/7/libvirt/libvirt-sock'],
    name: 'qemu:///session',
  });
  t.strictSame(libvirtAddress('qemu+unix:///session?socket=/a/b', environment), {
    sockets: ['/a/b'],
    name: 'qemu:///session',
  });
  t.strictSame(libvirtAddress('/a/b', environment), { sockets: ['/a/b'], name: 'qemu:///system' });
  for (const text of ['', 'qemu', 'xen:///system', 'qemu+ssh://host/system', 'qemu://host/system', 'qemu:///other']) {
    t.throws(() => libvirtAddress(text, environment), { code: 'BAD_ARGUMENT' }, text);
  }
  t.throws(() => libvirtAddress('qemu:///session', { runtimeDirectory: undefined }), { code: 'BAD_ARGUMENT' });
});

void t.test('nobody there', async (t) => {
  const directory = temporaryDirectory(t);
  const gone = join(directory, 'gone');
  const server = createServer().listen(gone);
  await new Promise((resolve) => server.once('listening', resolve));
  execFileSync('ln', [gone, `${gone}-left`]);
  await new Promise((resolve) => server.close(resolve));
  const open = (...sockets: string[]): Promise<Libvirt> => Libvirt.open({ sockets, name: 'qemu:///system' });
  await t.rejects(open(join(directory, 'none'), `${gone}-left`), { code: 'HYPERVISOR_UNREACHABLE', hint: /systemctl/ });
  const file = join(directory, 'file');
  writeFileSync(file, '');
  await t.rejects(open(file), { code: 'HYPERVISOR_UNREACHABLE' });
  await t.rejects(open(directory), { code: 'HYPERVISOR_UNREACHABLE' });
  const fake = await fakeLibvirt(t, () => false);
  await (await open(join(directory, 'none'), fake)).close();
});

void t.test('not allowed', async (t) => {
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o755);
  const path = join(directory, 'socket');
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.close());
  chmodSync(path, 0o660);
  const open = (): Promise<Libvirt> => Libvirt.open({ sockets: [path], name: 'qemu:///system' });
  const asNobody = async (): Promise<Libvirt> => {
    process.seteuid?.(65534);
    try {
      return await open();
    } finally {
      process.seteuid?.(0);
    }
  };
  chownSync(path, 0, 6);
  await t.rejects(asNobody(), { code: 'HYPERVISOR_DENIED', hint: /group "disk"/ });
  chownSync(path, 0, 54_321);
  await t.rejects(asNobody(), { code: 'HYPERVISOR_DENIED', hint: /group "54321"/ });
  chmodSync(directory, 0o700);
  await t.rejects(asNobody(), { code: 'HYPERVISOR_DENIED', hint: /group "libvirt"/ }, 'its group cannot be seen');
});

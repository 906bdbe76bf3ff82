// Through the kernel, with another process serving. These tests need /dev/fuse and never skip.
import { closeSync, openSync, readSync } from 'node:fs';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { readMounts } from '../../src/system/mounts.js';
import { MountServer, run, scratch, until } from '../kit/mount-server.js';

const MIB = 1024 * 1024;
const T0 = Date.UTC(2026, 10, 22, 10, 15);
const VOLUMES = [{ name: 'vda', sizeBytes: 4 * MIB, seed: 1 }];

async function isMounted(mountPoint: string): Promise<boolean> {
  return (await readMounts()).some((entry) => entry.mountPoint === mountPoint);
}

t.test('several mounts in one process; unmounting one leaves the others', async (t) => {
  const server = await MountServer.start(t);
  await server.call('add', 'vm', T0, { volumes: VOLUMES });
  const [a, b, c] = [await server.mount('a'), await server.mount('b'), await server.mount('c')];
  t.strictSame(await server.call('list'), [{ mountPoint: a }, { mountPoint: b }, { mountPoint: c }]);
  await server.call('unmount', b);
  t.notOk(await isMounted(b));
  t.strictSame(await readdir(b), []);
  for (const left of [a, c]) t.equal((await readFile(join(left, 'vm/latest/volumes/vda.raw'))).length, 4 * MIB);
  t.strictSame(await server.call('list'), [{ mountPoint: a }, { mountPoint: c }]);
  t.equal(await server.mount('b'), b, 'and it can be mounted again');
  t.strictSame(await readdir(b), ['vm']);
  await server.call('close');
  for (const mountPoint of [a, b, c]) t.notOk(await isMounted(mountPoint));
  t.equal(await server.leave(), 0, 'nothing keeps the process alive');
});

t.test('mount points with names that a shell would take apart', async (t) => {
  const server = await MountServer.start(t);
  await server.call('add', 'vm', T0);
  const names = [
    `a "quoted" 'name'`,
    '$(touch hacked)',
    '`touch hacked`',
    'new\nline',
    'tab\t',
    '-o rw',
    'a,b\\c',
    'ü €',
  ];
  for (const name of names) {
    const mountPoint = await server.mount(name);
    t.equal(mountPoint, join(server.directory, name));
    t.strictSame(await readdir(mountPoint), ['vm'], name);
    await server.call('unmount', mountPoint);
    t.notOk(await isMounted(mountPoint));
  }
  t.notOk((await readdir('.')).includes('hacked'));
});

t.test('unmounting by somebody else is noticed', async (t) => {
  const server = await MountServer.start(t);
  await server.call('add', 'vm', T0);
  const mountPoint = await server.mount('m');
  const other = await server.mount('other');
  // Other servers that start meanwhile look at every mount for an instant, and then it is in use.
  t.ok(await until(async () => (await run('fusermount', '-u', mountPoint)).ok));
  t.ok(await until(async () => (await server.call('state')).ended.includes(mountPoint)));
  t.strictSame(await server.call('list'), [{ mountPoint: other }]);
  t.match((await server.call('state')).logLines, [
    { message: 'mount: unmounted by somebody else', fields: { mountPoint } },
  ]);
  await t.rejects(server.call('unmount', mountPoint), { code: 'MOUNT_POINT' });
});

// Readers are counted in the next two: the newest shadow copy, which the server looks into by itself, has no volumes.
t.test('a mount in use is not unmounted; at the end it goes, and what is open stays readable', async (t) => {
  const server = await MountServer.start(t);
  await server.call('add', 'vm', T0, { volumes: VOLUMES });
  await server.call('add', 'newest', T0 + 1);
  const mountPoint = await server.mount('m');
  const fd = openSync(join(mountPoint, 'vm/latest/volumes/vda.raw'), 'r');
  t.teardown(() => {
    closeSync(fd);
  });
  await t.rejects(server.call('unmount', mountPoint), { code: 'MOUNT_FAILED', message: /in use/, hint: /fuser/ });
  t.ok(await isMounted(mountPoint));
  await server.call('close');
  t.notOk(await isMounted(mountPoint));
  t.equal(readSync(fd, Buffer.alloc(MIB), 0, MIB, 2 * MIB), MIB);
  t.match(await server.call('state'), { ended: [mountPoint], openReaders: 1 });
  await t.rejects(server.mount('late'), { code: 'SERVER_STOPPING' });
});

t.test('after a lazy unmount the reader is closed when the program closes the file', async (t) => {
  const server = await MountServer.start(t);
  await server.call('add', 'vm', T0, { volumes: VOLUMES });
  await server.call('add', 'newest', T0 + 1);
  const mountPoint = await server.mount('m');
  const fd = openSync(join(mountPoint, 'vm/latest/volumes/vda.raw'), 'r');
  t.ok((await run('fusermount', '-uz', mountPoint)).ok);
  t.ok(await until(async () => (await server.call('state')).ended.length === 1));
  t.equal((await server.call('state')).openReaders, 1);
  t.equal(await server.mount('m'), mountPoint, 'the directory can be used again meanwhile');
  closeSync(fd);
  t.ok(await until(async () => (await server.call('state')).openReaders === 0));
  t.strictSame(await readdir(mountPoint), ['newest', 'vm']);
});

t.test('a killed server leaves a dead mount, which the next one takes away', async (t) => {
  const directory = scratch(t);
  const killed = await MountServer.start(t, { directory });
  await killed.call('add', 'vm', T0);
  const again = await killed.mount('again');
  const elsewhere = await killed.mount('elsewhere');
  await killed.call('startSleeper').then((pid) => {
    t.teardown(() => process.kill(pid));
  });
  await killed.kill();
  await t.rejects(stat(again), { code: 'ENOTCONN' }, 'dead at once, also while a program that it started lives on');
  const late = await MountServer.start(t, { directory });
  t.notOk(await isMounted(again));
  t.notOk(await isMounted(elsewhere));
  await late.call('add', 'vm', T0);
  t.equal(await late.mount('again'), again);
  t.strictSame(await readdir(again), ['vm']);
});

t.test('mounting over a mount that died meanwhile', async (t) => {
  const directory = scratch(t);
  const first = await MountServer.start(t, { directory });
  const second = await MountServer.start(t, { directory });
  const mountPoint = await first.mount('m');
  await t.rejects(second.mount('m'), { code: 'MOUNT_POINT', message: /already mounted/, hint: /umbra unmount/ });
  await t.rejects(second.mount('m/vm/x'), { code: 'MOUNT_POINT', message: /inside the mount/ });
  await t.rejects(second.call('unmount', mountPoint), { code: 'MOUNT_POINT' }, 'it is not its own');
  await first.kill();
  t.equal(await second.mount('m'), mountPoint);
});

t.test('one machine, one shadow copy', async (t) => {
  const server = await MountServer.start(t);
  const first = await server.call('add', 'vm', T0);
  const last = await server.call('add', 'vm', T0 + 1000);
  await server.call('add', 'other', T0);
  const machine = await server.mount('machine', { machine: 'vm' });
  t.strictSame(await readdir(machine), ['vm']);
  t.strictSame(await readdir(join(machine, 'vm')), [first, last, 'latest']);
  const old = await server.mount('old', { machine: 'vm', version: first });
  t.strictSame(await readdir(join(old, 'vm')), [first]);
  const latest = await server.mount('latest', { machine: 'vm', version: 'latest' });
  t.strictSame(await readdir(join(latest, 'vm')), [last, 'latest']);
  t.match(await server.call('list'), [{ machine: 'vm' }, { version: first }, { machine: 'vm', version: last }]);
  await t.rejects(server.mount('x', { machine: 'none' }), { code: 'NOT_FOUND' });
  await t.rejects(server.mount('x', { machine: 'vm', version: '2020-01-01T00-00-00Z' }), { code: 'NOT_FOUND' });
  await t.rejects(stat(join(server.directory, 'x')), { code: 'ENOENT' }, 'nothing is made for a mount that fails');
});

t.test('two requests for one mount point at the same time', async (t) => {
  const server = await MountServer.start(t);
  const outcomes = await Promise.allSettled([server.mount('m'), server.mount('m')]);
  t.strictSame(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
});

t.test('something mounted over a mount is left alone', async (t) => {
  const server = await MountServer.start(t);
  const mountPoint = await server.mount('m');
  t.ok((await run('mount', '-t', 'tmpfs', 'none', mountPoint)).ok);
  await t.rejects(server.call('unmount', mountPoint), { code: 'MOUNT_FAILED', message: /mounted over/ });
  t.ok((await run('umount', mountPoint)).ok);
  await server.call('unmount', mountPoint);
  t.notOk(await isMounted(mountPoint));
});

t.test('other users are let in on request only, and only as far as modes allow', async (t) => {
  const server = await MountServer.start(t);
  await run('chmod', '755', server.directory);
  await server.call('add', 'vm', T0, { volumes: VOLUMES, config: [{ name: 'c.xml', data: Buffer.from('secret') }] });
  const alone = await server.mount('alone');
  const shared = await server.mount('shared', { allowOther: true });
  const asNobody = (...args: string[]) => run('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...args);
  t.notOk((await asNobody('ls', alone)).ok);
  t.ok((await asNobody('cat', join(shared, 'vm/latest/about.json'))).ok);
  t.match((await asNobody('cat', join(shared, 'vm/latest/config/c.xml'))).stderr, /Permission denied/);
  t.match((await asNobody('cat', join(shared, 'vm/latest/volumes/vda.raw'))).stderr, /Permission denied/);
});

t.test('a mount whose connection is cut is taken away', async (t) => {
  const server = await MountServer.start(t);
  const mountPoint = await server.mount('m');
  const entry = (await readMounts()).find((found) => found.mountPoint === mountPoint);
  const control = join(server.directory, 'control');
  await mkdir(control);
  t.ok((await run('mount', '-t', 'fusectl', 'none', control)).ok);
  const minor = entry?.device.split(':')[1] ?? '';
  t.ok((await run('sh', '-c', 'echo 1 > "$1"', 'sh', join(control, minor, 'abort'))).ok);
  t.ok((await run('umount', control)).ok);
  t.ok(await until(async () => !(await isMounted(mountPoint))));
  t.ok(await until(async () => (await server.call('state')).ended.includes(mountPoint)));
});

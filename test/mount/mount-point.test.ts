import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { silentLog } from '../../src/common/log.js';
import { findMount, prepareMountPoint } from '../../mount/mount-point.js';
import { MountServer, run, scratch } from '../kit/mount-server.js';

function setUp(t: Parameters<typeof scratch>[0]) {
  const top = scratch(t);
  const store = join(top, 'holder/store');
  mkdirSync(join(store, 'objects'), { recursive: true });
  const prepare = (mountPoint: string) => prepareMountPoint({ mountPoint, store, log: silentLog });
  return { top, store, prepare };
}

t.test('a directory is made, with those above it', async (t) => {
  const { top, prepare } = setUp(t);
  t.equal(await prepare(`${top}/a/b/c`), `${top}/a/b/c`);
  t.ok(statSync(`${top}/a/b/c`).isDirectory());
  t.equal(await prepare(`${top}/a/b/c/`), `${top}/a/b/c`, 'one that is there is as good');
  symlinkSync('a/b', join(top, 'link'));
  t.equal(await prepare(`${top}/link/c`), `${top}/a/b/c`, 'links are followed');
});

t.test('not in, above or at the store, whatever way it is named', async (t) => {
  const { top, store, prepare } = setUp(t);
  symlinkSync(store, join(top, 'link'));
  const inside = [store, `${store}/objects`, `${store}/new`, `${store}/new/er`, `${top}/link`, `${top}/link/new`];
  for (const path of inside) await t.rejects(prepare(path), { code: 'MOUNT_POINT', message: /inside the store/ }, path);
  const above = [`${top}/holder`, top, `${store}/..`, `${top}/link/..`];
  for (const path of above) await t.rejects(prepare(path), { code: 'MOUNT_POINT', message: /above the store/ }, path);
  t.throws(() => statSync(`${store}/new`), { code: 'ENOENT' }, 'nothing is made in the store');
  t.ok(await prepare(`${top}/holder/store2`), 'a name that only begins like it');
});

t.test('a bind mount of the store is the store', async (t) => {
  const { top, store, prepare } = setUp(t);
  mkdirSync(`${top}/bind`);
  t.ok((await run('mount', '--bind', `${top}/holder`, `${top}/bind`)).ok);
  try {
    await t.rejects(prepare(`${top}/bind/store/new`), { code: 'MOUNT_POINT', message: /inside the store/ });
    await t.rejects(prepare(`${top}/bind`), { code: 'MOUNT_POINT' });
  } finally {
    await run('umount', `${top}/bind`);
  }
  t.ok(statSync(store).isDirectory());
});

t.test('what cannot be mounted on', async (t) => {
  const { top, prepare } = setUp(t);
  writeFileSync(`${top}/file`, '');
  mkdirSync(`${top}/full/x`, { recursive: true });
  await t.rejects(prepare(`${top}/file`), { code: 'MOUNT_POINT' });
  await t.rejects(prepare(`${top}/file/below`), { code: 'MOUNT_POINT' });
  await t.rejects(prepare(`${top}/full`), { code: 'MOUNT_POINT', message: /not empty/, hint: /empty directory/ });
  await t.rejects(prepare('/'), { code: 'MOUNT_POINT' });
  await t.rejects(prepare('/proc'), { code: 'MOUNT_POINT', message: /something else is mounted/ });
  await t.rejects(prepare('/proc/new'), { code: 'MOUNT_POINT' });
  await t.rejects(prepare('relative'), { code: 'MOUNT_POINT', message: /absolute/ });
  await t.rejects(prepare(`${top}/nul\0`), { code: 'MOUNT_POINT' });
  await t.rejects(prepare(`${top}/\ud800`), { code: 'MOUNT_POINT' }, 'half a character');
  await t.rejects(prepare(`${top}${'/x'.repeat(600)}`), { code: 'MOUNT_POINT', message: /1000 bytes/ });
});

t.test('findMount finds a mount by any name, without touching it', async (t) => {
  const server = await MountServer.start(t);
  const mountPoint = await server.mount('m');
  symlinkSync(server.directory, join(server.directory, 'link'));
  t.match(await findMount(mountPoint), { mountPoint, type: 'fuse.umbra' });
  t.match(await findMount(join(server.directory, 'link/m/')), { mountPoint });
  t.equal(await findMount(join(server.directory, 'other')), undefined);
  await server.kill();
  t.match(await findMount(mountPoint), { mountPoint }, 'a dead one too');
});

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { assertNotInStore, isInUmbraMount, resolveTarget } from '../../../src/restore/target-path.js';
import type { MountEntry } from '../../../src/system/mounts.js';
import { temporaryDirectory } from '../../kit/temporary.js';

function mount(mountPoint: string, type: string, source = 'none'): MountEntry {
  return { id: 1, device: '0:1', root: '/', mountPoint, type, source, superOptions: [] };
}

t.test('links, dots, and what does not exist', async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'real', 'inner'), { recursive: true });
  symlinkSync('real/inner', join(directory, 'link'));
  symlinkSync(join(directory, 'link', 'file'), join(directory, 'absolute'));
  symlinkSync('loop', join(directory, 'loop'));
  const resolved = (file: string): Promise<string> => resolveTarget(`${directory}/${file}`, []);
  t.equal(await resolved('link/../x//./y/'), join(directory, 'real', 'x', 'y'));
  t.equal(await resolved('absolute'), join(directory, 'real', 'inner', 'file'));
  t.equal(await resolveTarget('/', []), '/');
  t.equal(await resolveTarget('/../..', []), '/');
  await t.rejects(resolved('loop'), { code: 'TARGET_FAILED' });
  writeFileSync(join(directory, 'file'), '');
  await t.rejects(resolved('file/below'), { code: 'TARGET_FAILED' });
});

t.test('mounts of Umbra are refused before they are touched', async (t) => {
  const directory = temporaryDirectory(t);
  symlinkSync('/srv/umbra/m1/latest', join(directory, 'link'));
  const mounts = [mount('/', 'ext4'), mount('/srv/umbra', 'fuse.umbra'), mount('/srv/umbra/x', 'ext4')];
  const refused = { code: 'TARGET_REFUSED', message: /mount of Umbra/ };
  await t.rejects(resolveTarget('/srv/umbra', mounts), refused);
  await t.rejects(resolveTarget('/srv/umbra/m1/new', mounts), refused);
  await t.rejects(resolveTarget(join(directory, 'link', 'file'), mounts), refused);
  t.equal(await resolveTarget('/srv/umbra2/a', mounts), '/srv/umbra2/a');
});

t.test('which mount is seen', async (t) => {
  const below = [mount('/', 'ext4'), mount('/a', 'fuse', 'umbra'), mount('/a/b', 'tmpfs')];
  t.ok(isInUmbraMount('/a/c', below));
  t.notOk(isInUmbraMount('/a/b/c', below), 'another file system on top');
  t.notOk(isInUmbraMount('/ab', below));
  t.notOk(isInUmbraMount('/a/c', [...below, mount('/a', 'tmpfs')]), 'covered by a later mount');
  t.notOk(isInUmbraMount('/a/c', [mount('/a', 'ext4', 'umbra')]), 'only a name');
  t.notOk(isInUmbraMount('/a/c', []));
});

t.test('stores', async (t) => {
  const directory = temporaryDirectory(t);
  const own = join(directory, 'own');
  const other = join(directory, 'other');
  for (const each of [own, other]) mkdirSync(join(each, 'objects'), { recursive: true });
  symlinkSync(own, join(directory, 'link'));
  writeFileSync(join(other, 'format'), '{"product":"umbra"}');
  writeFileSync(join(directory, 'format'), '{"product":"something else"}');
  const refused = { code: 'TARGET_REFUSED', message: /lies in the store/ };
  const check = (file: string): Promise<void> => assertNotInStore(join(directory, file), join(directory, 'link'), []);
  await t.rejects(check('own'), refused);
  await t.rejects(check('own/objects/new/file'), refused);
  await t.rejects(check('other/objects/000005.ldb'), refused, 'nor into another store');
  await t.resolves(check('file'));
  await t.resolves(check('owner/file'));
});

import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ext4Image, FilesLab, writeTree } from '../../kit/files-lab.js';

t.test('only a directory at the end of a way without links will do', async (t) => {
  const lab = await FilesLab.open(t);
  const [tree, image] = [join(lab.directory, 'tree'), join(lab.directory, 'image')];
  writeTree(tree, { srv: { data: { docs: {} }, report: 'x' } });
  symlinkSync('srv', join(tree, 'link'));
  symlinkSync('data', join(tree, 'srv', 'last'));
  ext4Image(image, tree);
  await lab.backUp(image);
  const check = (path: string, machine = 'm1'): Promise<void> => lab.operations.checkDirectory({ machine, path });
  for (const path of ['vda', 'vda/srv', 'vda/srv/data/docs']) await check(path);
  const refused = async (path: string, message: RegExp, hint = /./): Promise<void> => {
    await t.rejects(check(path), { code: 'NOT_FOUND', message, hint }, path);
  };
  await refused('vdb/srv', /no file system \/vdb/);
  await refused('vda/srv/dta', /no file \/vda\/srv\/dta/, /Did you mean \/vda\/srv\/data\?/);
  await t.rejects(check('vda/srv/report'), { code: 'NOT_FOUND', message: /srv\/report of m1@\S+ is not a directory/ });
  await refused('vda/link/data', /\/vda\/link of m1@\S+ is a symbolic link/, /it leads to srv\./);
  await refused('vda/srv/last', /\/vda\/srv\/last of m1@\S+ is a symbolic link/);
  await t.rejects(check('vda', 'm2'), { code: 'NOT_FOUND' });
});

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { linksDirectory } from '../../../src/files/device-path.js';
import { ext4Image, FilesLab, writeTree } from '../../kit/files-lab.js';

t.test('the directories of links are listed as a mount shows them', async (t) => {
  const lab = await FilesLab.open(t);
  const [tree, image] = [join(lab.directory, 'tree'), join(lab.directory, 'image')];
  writeTree(tree, { file: 'x' });
  ext4Image(image, tree);
  const uuid = '5a1c0f9e-2f7e-4c1b-9d4b-0d6f1c2e3a4b';
  execFileSync('tune2fs', ['-f', '-L', 'my root', '-U', uuid, image], { stdio: 'ignore' });
  await lab.backUp(image);
  t.same(await lab.list('/by-label'), [
    {
      machine: 'm1',
      shadowCopy: (await lab.list())[0].shadowCopy,
      path: '/by-label',
      isDirectory: true,
      files: 1,
      damaged: 0,
    },
    [{ name: 'my root', type: 'symlink' }],
  ]);
  t.match(await lab.list('/by-uuid/', { details: true }), [
    { isDirectory: true, files: 1 },
    [{ name: uuid, type: 'symlink', stat: { type: 'symlink', permissions: 0o777, sizeBytes: 6, target: '../vda' } }],
  ]);
  t.match((await lab.list(`/by-label/my root`))[1], [{ name: 'file' }, { name: 'lost+found' }]);
  await t.rejects(lab.list('/by-label/other'), { code: 'NOT_FOUND', hint: /\/by-label\/my root/ });
});

t.test('only the directories themselves are', (t) => {
  t.equal(linksDirectory('/by-label'), 'by-label');
  t.equal(linksDirectory('//by-uuid//'), 'by-uuid');
  for (const path of ['/', '/by-label/x', '/vda/by-label', '/by-labels']) t.equal(linksDirectory(path), undefined);
  t.end();
});

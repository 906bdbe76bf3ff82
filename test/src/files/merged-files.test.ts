import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CHAINS_FILE, encodeChains, type StoredFile } from '../../../src/protocol/stored-chains.js';
import { debugfs, ext4Image, FilesLab, writeTree } from '../../kit/files-lab.js';
import { overlayTo } from '../../kit/stored-chain.js';

t.test('the files in disks that were stored as the files that they are made of', async (t) => {
  const lab = await FilesLab.open(t);
  const [tree, base, wanted, overlay] = ['tree', 'base', 'wanted', 'overlay'].map((name) =>
    join(lab.directory, name),
  ) as [string, string, string, string];
  writeTree(tree, { etc: { same: 'same', changed: 'one' } });
  ext4Image(base, tree, 8);
  copyFileSync(base, wanted);
  const file = join(lab.directory, 'file');
  writeFileSync(file, 'the other');
  debugfs(lab.directory, wanted, ['cd etc', 'rm changed', `write ${file} changed`, `write ${file} new`]);
  await overlayTo(wanted, base, overlay);

  const stored = (path: string, index: number): StoredFile => ({
    volume: `vda.${index}`,
    path,
    format: index === 0 ? 'raw' : 'qcow2',
  });
  const backUp = async (...paths: readonly string[]): Promise<void> => {
    const config = [{ name: CHAINS_FILE, data: encodeChains([{ disk: 'vda', files: paths.map(stored) }]) }];
    await lab.memory.backUp(Object.fromEntries(paths.map((path, n) => [`vda.${n}`, readFileSync(path)])), { config });
  };
  await backUp(base);
  await backUp(base, overlay);
  await backUp(base, overlay);
  await lab.backUp(wanted);

  t.match(await lab.list(), [{ filesystems: [{ name: 'vda', type: 'ext4' }] }]);
  t.equal((await lab.read('/vda/etc/changed')).toString(), 'the other');
  t.same(await lab.changes('/vda/etc/same'), ['first 4']);
  t.same(await lab.changes('/vda/etc/changed'), ['first 1', 'content 3']);
  t.same(await lab.changes('/vda/etc/new'), ['first 1', 'appeared 3']);
  const [result] = await lab.find('new');
  t.match(result, { unread: [] });
});

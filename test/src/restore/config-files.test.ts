import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { writeConfigFiles } from '../../../src/restore/config-files.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const FILES = [
  { name: 'a.xml', data: Buffer.from('one') },
  { name: 'b.json', data: Buffer.from('two') },
];

t.test('what differs is written', async (t) => {
  const directory = join(temporaryDirectory(t), 'config');
  t.same(await writeConfigFiles(directory, FILES), [join(directory, 'a.xml'), join(directory, 'b.json')]);
  t.equal(statSync(join(directory, 'a.xml')).mode & 0o777, 0o600);
  t.same(await writeConfigFiles(directory, FILES), []);
  writeFileSync(join(directory, 'b.json'), 'TWO');
  writeFileSync(join(directory, '.umbra-restore'), 'left by an interrupted restore');
  t.same(await writeConfigFiles(directory, FILES), [join(directory, 'b.json')]);
  t.equal(readFileSync(join(directory, 'b.json'), 'utf8'), 'two');
  t.same(readdirSync(directory).sort(), ['a.xml', 'b.json']);
});

t.test('nothing to write', async (t) => {
  const directory = join(temporaryDirectory(t), 'config');
  t.same(await writeConfigFiles(directory, []), []);
  t.throws(() => statSync(directory), { code: 'ENOENT' });
});

t.test('links and names do not lead elsewhere', async (t) => {
  const parent = temporaryDirectory(t);
  mkdirSync(join(parent, 'elsewhere'));
  symlinkSync('elsewhere', join(parent, 'config'));
  await t.rejects(writeConfigFiles(join(parent, 'config'), FILES), { code: 'TARGET_REFUSED' });
  for (const name of ['..', '../x', 'a/b', '', 'a\0b']) {
    const files = [{ name, data: Buffer.alloc(0) }];
    await t.rejects(writeConfigFiles(join(parent, 'new'), files), { code: 'STORE_DAMAGED' }, JSON.stringify(name));
  }
  const real = join(parent, 'real');
  mkdirSync(real);
  writeFileSync(join(parent, 'victim'), 'as it was');
  symlinkSync('../victim', join(real, 'a.xml'));
  await writeConfigFiles(real, FILES);
  t.equal(readFileSync(join(parent, 'victim'), 'utf8'), 'as it was', 'a link is replaced, not followed');
  t.ok(statSync(join(real, 'a.xml')).isFile());
});

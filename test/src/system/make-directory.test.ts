import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeDirectories } from '../../../src/system/make-directory.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('what is missing is made, the topmost first', async (t) => {
  const top = temporaryDirectory(t);
  mkdirSync(join(top, 'a'));
  t.same(await makeDirectories(join(top, 'a/b/c')), [join(top, 'a/b'), join(top, 'a/b/c')]);
  t.equal(statSync(join(top, 'a/b/c')).mode & 0o777, 0o700);
  t.same(await makeDirectories(join(top, 'a/b/c')), []);
});

t.test('several at once', async (t) => {
  const path = join(temporaryDirectory(t), 'a/b/c');
  const made = await Promise.all(Array.from({ length: 8 }, () => makeDirectories(path)));
  t.equal(made.flat().length, 3, 'each of them was made by one');
  t.ok(statSync(path).isDirectory());
});

t.test('what can not be made is an error, and not the last thing that happens', async (t) => {
  const file = join(temporaryDirectory(t), 'file');
  writeFileSync(file, '');
  await t.rejects(makeDirectories(file), { code: 'EEXIST' });
  await t.rejects(makeDirectories(join(file, 'x')), { code: 'ENOTDIR' });
  await t.rejects(makeDirectories('/proc/umbra/x'), { code: 'ENOENT' });
});

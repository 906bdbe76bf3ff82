import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

import { makeMergeDirectory } from '../../../src/restore/merge-directory.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const CHILD = fileURLToPath(new URL('../../kit/merge-child.js', import.meta.url));

t.test('what a killed merge left is taken away by the next one, and by nobody before', async (t) => {
  const here = temporaryDirectory(t);
  const child = spawn(process.execPath, [CHILD, here], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const [theirs = ''] = readdirSync(here);
  t.match(theirs, /^\.umbra-merge-/);

  const beside = await makeMergeDirectory(here);
  t.same(readdirSync(join(here, theirs)), ['vda.0'], 'it is in use');
  child.kill('SIGKILL');
  await gone;
  const next = await makeMergeDirectory(here);
  t.notOk(existsSync(join(here, theirs)));
  t.ok(existsSync(beside.path), 'one that this process uses stays');
  writeFileSync(join(next.path, 'vda.0'), 'some of it');
  for (const directory of [beside, next]) await directory.remove();
  t.same(readdirSync(here), []);
});

t.test('what is not ours stays', async (t) => {
  const here = temporaryDirectory(t);
  const [others, link, file, kept] = ['.umbra-merge-1', '.umbra-merge-2', '.umbra-merge-3', 'kept'];
  for (const name of [others, kept]) mkdirSync(join(here, name));
  chownSync(join(here, others), 12_345, 0);
  symlinkSync(kept, join(here, link));
  writeFileSync(join(here, file), 'mine');
  await (await makeMergeDirectory(here)).remove();
  t.same(readdirSync(here), [others, link, file, kept]);
});

t.test('where no directory can be made', async (t) => {
  await t.rejects(makeMergeDirectory(join(temporaryDirectory(t), 'none')), { code: 'ENOENT' });
});

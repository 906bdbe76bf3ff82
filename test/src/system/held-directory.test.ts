import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

import { makeHeldDirectory } from '../../../src/system/held-directory.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const CHILD = fileURLToPath(new URL('../../kit/held-directory-child.js', import.meta.url));
const PREFIX = 'umbra-held-';

t.test('what a killed process left is taken away by the next one, and by nobody before', async (t) => {
  const here = temporaryDirectory(t);
  const child = spawn(process.execPath, [CHILD, here, PREFIX], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const [theirs = ''] = readdirSync(here);
  t.match(theirs, /^umbra-held-/);

  const beside = await makeHeldDirectory(here, PREFIX);
  t.same(readdirSync(join(here, theirs)), ['vda.0'], 'it is in use');
  child.kill('SIGKILL');
  await gone;
  const next = await makeHeldDirectory(here, PREFIX);
  t.notOk(existsSync(join(here, theirs)));
  t.ok(existsSync(beside.path), 'one that this process uses stays');
  writeFileSync(join(next.path, 'vda.0'), 'some of it');
  for (const directory of [beside, next]) await directory.remove();
  t.same(readdirSync(here), []);
});

t.test('what is not ours stays', async (t) => {
  const here = temporaryDirectory(t);
  const [others, link, file, kept] = ['umbra-held-1', 'umbra-held-2', 'umbra-held-3', 'kept'];
  for (const name of [others, kept]) mkdirSync(join(here, name));
  chownSync(join(here, others), 12_345, 0);
  symlinkSync(kept, join(here, link));
  writeFileSync(join(here, file), 'mine');
  await (await makeHeldDirectory(here, PREFIX)).remove();
  t.same(readdirSync(here).sort(), [kept, others, link, file]);
});

t.test('where no directory can be made', async (t) => {
  await t.rejects(makeHeldDirectory(join(temporaryDirectory(t), 'none'), PREFIX), { code: 'ENOENT' });
});

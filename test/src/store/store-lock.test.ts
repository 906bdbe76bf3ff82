import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

import { lockStore } from '../../../src/store/store-lock.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('one at a time; the second is told who', async (t) => {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'lock');
  writeFileSync(file, '99999999 of an earlier life\n');
  const unlock = await lockStore(directory);
  t.equal(readFileSync(file, 'utf8'), `${process.pid}\n`);
  await t.rejects(lockStore(directory), {
    code: 'STORE_IN_USE',
    message: new RegExp(`in use by process ${process.pid}$`),
  });
  writeFileSync(file, 'scribble');
  await t.rejects(lockStore(directory), { code: 'STORE_IN_USE', message: /in use by another process$/ });
  await unlock();
  await (
    await lockStore(directory)
  )();
  await t.rejects(lockStore(path.join(directory, 'none')), { code: 'STORE_FAILED' });
});

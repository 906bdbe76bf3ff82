import { closeSync, openSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findOpeners, processName } from '../../../src/system/open-files.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('the processes that have a file open, and how', async (t) => {
  const path = join(realpathSync(temporaryDirectory(t)), 'a file');
  writeFileSync(path, '');
  t.same(await findOpeners(path, '/nowhere'), []);
  const reader = openSync(path, 'r');
  t.same(await findOpeners(path, '/nowhere'), [
    { path, pid: process.pid, name: processName(process.pid), writable: false },
  ]);
  const writer = openSync(path, 'a');
  t.match(await findOpeners(path, '/nowhere'), [{ pid: process.pid, writable: true }]);
  closeSync(reader);
  closeSync(writer);
  t.same(await findOpeners(path, '/nowhere'), []);
});

t.test('a process that is gone has no name', async (t) => {
  t.equal(processName(2 ** 30), '?');
  t.equal(typeof processName(process.pid), 'string');
});

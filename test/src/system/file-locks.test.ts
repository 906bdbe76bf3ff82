import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { findRangeLock, tryFlock, tryLockRange, unlockFlock, unlockRange } from '../../../src/system/file-locks.js';
import { SystemCallError } from '../../../src/system/system-call-error.js';
import { temporaryDirectory } from '../../kit/temporary.js';

/** Two openings of one new file. */
function openTwice(t: Test, flags = 'r+'): [number, number] {
  const file = join(temporaryDirectory(t), 'file');
  writeFileSync(file, 'x');
  const pair: [number, number] = [openSync(file, flags), openSync(file, flags)];
  t.teardown(() => {
    pair.forEach((fd) => {
      closeSync(fd);
    });
  });
  return pair;
}

t.test('an exclusive flock excludes all others until it is given up', async (t) => {
  const [one, two] = openTwice(t);
  t.equal(tryFlock(one, 'exclusive'), true);
  t.equal(tryFlock(two, 'exclusive'), false);
  t.equal(tryFlock(two, 'shared'), false);
  unlockFlock(one);
  t.equal(tryFlock(two, 'shared'), true);
  t.equal(tryFlock(one, 'shared'), true);
  t.equal(tryFlock(one, 'exclusive'), false);
});

t.test('range locks exclude each other only where they overlap', async (t) => {
  const [one, two] = openTwice(t);
  t.equal(tryLockRange(one, 'exclusive', 100, 2), true);
  t.equal(tryLockRange(two, 'shared', 101, 1), false);
  t.equal(tryLockRange(two, 'shared', 102, 1), true);
  t.equal(tryLockRange(one, 'shared', 102, 1), true);
  t.equal(tryLockRange(one, 'exclusive', 102, 1), false);
  unlockRange(one, 100, 2);
  t.equal(tryLockRange(two, 'exclusive', 101, 1), true);
});

t.test('a lock of someone else is found', async (t) => {
  const [one, two] = openTwice(t);
  t.equal(findRangeLock(two, 'shared', 0, 0), undefined);
  tryLockRange(one, 'exclusive', 2 ** 40, 3);
  t.match(findRangeLock(two, 'shared', 0, 0), { kind: 'exclusive', offset: 2 ** 40, length: 3, pid: undefined });
  t.equal(findRangeLock(one, 'shared', 0, 0), undefined, 'not its own');
  t.equal(findRangeLock(two, 'shared', 0, 100), undefined);
});

t.test('other failures are errors with the errno name', async (t) => {
  t.throws(() => tryFlock(1000, 'shared'), { code: 'EBADF', syscall: 'flock', errno: 9 });
  const [one] = openTwice(t, 'r');
  t.throws(() => tryLockRange(one, 'exclusive', 0, 1), { code: 'EBADF', syscall: 'fcntl' });
  t.match(new SystemCallError('open', 99_999).code, '99999');
});

t.test('works in a worker thread', async (t) => {
  const [one, two] = openTwice(t);
  tryFlock(one, 'exclusive');
  const module = new URL('../../../src/system/file-locks.js', import.meta.url);
  const script = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(module.href)}).then(({ tryFlock }) => parentPort.postMessage(tryFlock(${two}, 'shared')));
  `;
  const worker = new Worker(script, { eval: true });
  const answer = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  t.equal(answer, false);
  await worker.terminate();
});

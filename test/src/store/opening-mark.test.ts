import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';

import { systemClock } from '../../../src/common/clock.js';
import { OpeningMark } from '../../../src/store/opening-mark.js';
import { StoreDirectory } from '../../../src/store/store-directory.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('a mark is there while a store is opened, and for 10 s more', async (t) => {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'opening');
  const clock = new ManualClock();
  const mark = await OpeningMark.leave(directory, clock);
  t.notOk(mark.isSuspect);
  t.ok(existsSync(file));
  mark.opened();
  clock.advance(9_999);
  await sleep(20);
  t.ok(existsSync(file));
  t.ok((await OpeningMark.leave(directory, clock)).isSuspect, 'whoever comes then finds it');
  clock.advance(1);
  while (existsSync(file)) await sleep(5);
  t.notOk((await OpeningMark.leave(directory, clock)).isSuspect);
});

t.test('it goes with a process that ends well, unless the store is known to be damaged', async (t) => {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'opening');
  const clock = new ManualClock();
  const first = await OpeningMark.leave(directory, clock);
  first.opened();
  await first.clear();
  await first.clear();
  t.notOk(existsSync(file));
  const second = await OpeningMark.leave(directory, clock);
  second.keep();
  await second.clear();
  t.ok(existsSync(file));
  const third = await OpeningMark.leave(directory, clock);
  t.ok(third.isSuspect);
  third.trust();
  t.notOk(third.isSuspect);
  third.opened();
  await third.clear();
  t.notOk(existsSync(file));
});

t.test('a mark from before the machine went down says nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'opening');
  for (const old of ['', 'another boot\n']) {
    writeFileSync(file, old);
    t.notOk((await OpeningMark.leave(directory, new ManualClock())).isSuspect);
    t.equal(readFileSync(file, 'latin1'), readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'));
  }
});

t.test('where it can not be written', async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(path.join(directory, 'opening'));
  await t.rejects(OpeningMark.leave(directory, new ManualClock()), { code: 'STORE_FAILED' });
});

t.test('a process that is killed leaves it, and a store that is whole opens all the same', async (t) => {
  const directory = path.join(temporaryDirectory(t), 'store');
  const holder = fileURLToPath(new URL('../../kit/store-holder.js', import.meta.url));
  const child = spawn(process.execPath, [holder, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'close');
  t.ok(existsSync(path.join(directory, 'opening')));
  const held = await StoreDirectory.open({ directory, clock: systemClock });
  t.equal([...held.store.catalog.all()].length, 0);
  await held.close();
  t.notOk(existsSync(path.join(directory, 'opening')));
});

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { digestOf } from '../../../src/codec/digest.js';
import { Verdicts } from '../../../src/files/verdicts.js';
import { temporaryDirectory } from '../../kit/temporary.js';

function key(number: number): Uint8Array {
  return digestOf(Buffer.from(String(number)));
}

t.test('verdicts outlive the process', async (t) => {
  const path = join(temporaryDirectory(t), 'compared');
  const first = new Verdicts(path);
  t.equal(await first.get(key(1)), undefined);
  t.notOk(existsSync(path));
  await first.set(key(1), true);
  await first.set(key(2), false);
  await Promise.all([first.set(key(3), true), first.set(key(4), false)]);
  await first.close();
  const second = new Verdicts(path);
  t.same(await Promise.all([1, 2, 3, 4, 5].map((number) => second.get(key(number)))), [
    true,
    false,
    true,
    false,
    undefined,
  ]);
  await second.set(key(5), true);
  await second.close();
  await second.close();
  t.equal(await new Verdicts(path).get(key(5)), true);
});

t.test('what is damaged is not there', async (t) => {
  const path = join(temporaryDirectory(t), 'compared');
  const verdicts = new Verdicts(path);
  for (const number of [1, 2, 3]) await verdicts.set(key(number), true);
  await verdicts.close();
  const bytes = readFileSync(path);
  const damaged = Buffer.from(bytes);
  damaged[8 + 28 + 20] = 0;
  writeFileSync(path, damaged.subarray(0, -1));
  const again = new Verdicts(path);
  t.same(await Promise.all([1, 2, 3].map((number) => again.get(key(number)))), [true, undefined, undefined]);
  await again.close();
  writeFileSync(path, 'something else that is long enough to be one');
  const foreign = new Verdicts(path);
  t.equal(await foreign.get(key(1)), undefined);
  await foreign.set(key(1), false);
  await foreign.close();
  t.equal(await new Verdicts(path).get(key(1)), false);
});

t.test('they are bounded, on disk and in memory', async (t) => {
  const path = join(temporaryDirectory(t), 'compared');
  const verdicts = new Verdicts(path, 1000);
  for (let number = 0; number < 2100; number++) await verdicts.set(key(number), true);
  t.equal(await verdicts.get(key(1)), undefined);
  t.equal(await verdicts.get(key(2000)), true);
  await verdicts.close();
  t.ok(statSync(path).size < 1100 * 28);
  t.equal(await new Verdicts(path, 1000).get(key(2000)), true);
});

t.test('a file that cannot be written is no error', async (t) => {
  const path = join(temporaryDirectory(t), 'compared');
  mkdirSync(path);
  const verdicts = new Verdicts(path);
  await verdicts.set(key(1), true);
  t.equal(await verdicts.get(key(1)), true);
  await verdicts.close();
});

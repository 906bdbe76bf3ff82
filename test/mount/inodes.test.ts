import t from 'tap';
import { InodeTable, ROOT_INODE } from '../../mount/inodes.js';

t.test('numbers are unique, stable, 32 bits, and not those of the root', (t) => {
  const inodes = new InodeTable();
  const seen = new Set([ROOT_INODE]);
  const all: [string, number, number][] = [];
  for (let version = 0; version < 3000; version++) {
    for (const index of [0, 1, 2, 3, 4, 5, 63, 64, 1000]) {
      const owner = `vm@${version}`;
      all.push([owner, index, inodes.number(owner, index)]);
    }
  }
  const bad = all.filter(([owner, index, number]) => {
    const taken = seen.has(number) || !Number.isInteger(number) || number <= 0 || number >= 2 ** 32;
    seen.add(number);
    return taken || inodes.number(owner, index) !== number;
  });
  t.strictSame(bad, []);
  t.equal(inodes.size, 3000);
  t.end();
});

t.test("a forgotten owner's numbers are not used again", (t) => {
  const inodes = new InodeTable();
  const before = inodes.number('vm@1', 0);
  inodes.forget('vm@1');
  t.equal(inodes.size, 0);
  t.not(inodes.number('vm@2', 0), before);
  t.not(inodes.number('vm@1', 0), before);
  t.end();
});

t.test('the files of a guest have numbers by those that it has for them', (t) => {
  const inodes = new InodeTable();
  const numbers = new Set<number>();
  const ids = [0, 2, 63, 64, 2 ** 40 + 5, 5n, 70n, 2n ** 90n + 70n];
  for (const id of ids) numbers.add(inodes.number('vm@1/vda1', id));
  t.equal(numbers.size, ids.length);
  t.equal(inodes.number('vm@1/vda1', 64), inodes.number('vm@1/vda1', 65) - 1, 'neighbours are neighbours');
  t.equal(inodes.number('vm@1/vda1', 2n ** 90n + 70n), inodes.number('vm@1/vda1', 2n ** 90n + 71n) - 1);
  inodes.number('vm@1', 0);
  inodes.number('vm@11', 0);
  inodes.forget('vm@1');
  t.equal(inodes.size, 1, 'with the shadow copy its guests are forgotten');
  t.notOk(numbers.has(inodes.number('vm@1/vda1', 0)));
  t.end();
});

t.test('what is remembered is bounded; numbers are not used again', (t) => {
  const inodes = new InodeTable(10);
  const numbers = new Set<number>();
  for (let index = 0; index < 9; index++) numbers.add(inodes.number('a', index * 64));
  numbers.add(inodes.number('b', 0));
  t.equal(inodes.size, 2);
  t.ok(numbers.has(inodes.number('a', 0)), 'a was used last');
  numbers.add(inodes.number('c', 0));
  t.strictSame([inodes.size, numbers.has(inodes.number('a', 64))], [2, true], 'b was forgotten');
  t.notOk(numbers.has(inodes.number('b', 0)));
  for (let index = 0; index < 1000; index++) numbers.add(inodes.number('d', index * 64));
  t.equal(numbers.size, 11 + 1000, 'one that is too large by itself');
  t.ok(inodes.size <= 2);
  t.end();
});

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

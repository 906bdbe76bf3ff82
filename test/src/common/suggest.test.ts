import t from 'tap';
import { editDistance, suggest } from '../../../src/common/suggest.js';

void t.test('distances', async (t) => {
  const cases: [string, string, number][] = [
    ['', '', 0],
    ['list', 'list', 0],
    ['lsit', 'list', 1],
    ['bakup', 'backup', 1],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
  ];
  for (const [a, b, distance] of cases) {
    t.equal(editDistance(a, b), distance, `${a} ${b}`);
    t.equal(editDistance(b, a), distance, `${b} ${a}`);
  }
});

void t.test('suggests what was probably meant', async (t) => {
  const commands = ['backup', 'list', 'mount', 'unmount', 'gc', 'verify'];
  t.equal(suggest('bakcup', commands), 'backup');
  t.equal(suggest('umount', commands), 'unmount');
  t.equal(suggest('ver', commands), 'verify');
  t.equal(suggest('snapshots', commands), undefined);
  t.equal(suggest('xx', commands), undefined);
});

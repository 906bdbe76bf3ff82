import { lstatSync } from 'node:fs';
import t from 'tap';
import { LinkTable } from '../../../src/files/link-table.js';

const STAT = lstatSync('/', { bigint: true });
const NAMES = [Buffer.from('d'), Buffer.from('f')];

t.test('a file is known until all its names are there', (t) => {
  const table = new LinkTable();
  t.equal(table.find(7), undefined);
  table.add(7, 3, NAMES, STAT);
  table.add(7n << 64n, 2, NAMES.slice(1), STAT);
  t.match(table.find(7), { names: NAMES, dev: STAT.dev, ino: STAT.ino });
  t.match(table.find(7), { names: NAMES });
  t.equal(table.find(7), undefined, 'there are no more names');
  t.match(table.find(7n << 64n), { names: NAMES.slice(1) });
  t.equal(table.find(7n << 64n), undefined);
  t.end();
});

t.test('a copy that is not there any more has no further names', (t) => {
  const table = new LinkTable();
  table.add(7, 3, NAMES, undefined);
  t.equal(table.find(7), undefined);
  t.end();
});

t.test('a number that is given again stands for the newer file', (t) => {
  const table = new LinkTable();
  table.add(7, 2, NAMES, STAT);
  table.add(7, 2, NAMES.slice(1), STAT);
  t.match(table.find(7), { names: NAMES.slice(1) });
  t.end();
});

t.test('of more files than there is room for, the first are known', (t) => {
  const table = new LinkTable();
  for (let id = 0; id <= 200_000; id++) table.add(id, 2, NAMES, STAT);
  t.ok(table.find(199_999));
  t.equal(table.find(200_000), undefined);
  t.end();
});

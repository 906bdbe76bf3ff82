import t from 'tap';
import { PathTable } from '../../../src/files/path-table.js';
import { Random } from '../../kit/random.js';

t.test('paths are numbered in the order in which they come', (t) => {
  const table = new PathTable();
  t.equal(table.find('/vda/a'), undefined);
  t.equal(table.add('/vda/a'), 0);
  t.equal(table.add('/vda/ä/\u{1f600}'), 1);
  t.equal(table.add(''), 2);
  t.equal(table.add('/vda/a'), 0);
  t.same(
    [table.find('/vda/a'), table.find('/vda/ä/\u{1f600}'), table.find(''), table.find('/vda')],
    [0, 1, 2, undefined],
  );
  t.same([table.path(0), table.path(1), table.path(2), table.size], ['/vda/a', '/vda/ä/\u{1f600}', '', 3]);
  t.end();
});

t.test('as a Map does it, with many paths', (t) => {
  const random = new Random(20_261_128);
  const table = new PathTable();
  const model = new Map<string, number>();
  for (let turn = 0; turn < 60_000; turn++) {
    const path = `/vda/${'directory/'.repeat(random.below(5))}${random.below(40_000)}`;
    if (!model.has(path)) model.set(path, model.size);
    if (table.add(path) !== model.get(path)) t.fail(`${path} has another number`);
  }
  let wrong = 0;
  for (const [path, index] of model) if (table.find(path) !== index || table.path(index) !== path) wrong++;
  t.same([wrong, table.size], [0, model.size]);
  t.equal(table.find('/vda/40000'), undefined);
  t.end();
});

t.test('paths that fill a page, and that are longer than one', (t) => {
  const table = new PathTable();
  const paths = [
    'a',
    'b'.repeat(1024 * 1024 - 4),
    'c',
    'd'.repeat(3 * 1024 * 1024),
    'e',
    'f'.repeat(1024 * 1024 - 10),
    'g',
  ];
  paths.forEach((path, index) => t.equal(table.add(path), index));
  paths.forEach((path, index) => {
    t.ok(table.path(index) === path, `path ${index}`);
    t.equal(table.find(path), index);
  });
  t.end();
});

t.test('what it takes for each path', (t) => {
  const table = new PathTable();
  const count = 100_000;
  for (let index = 0; index < count; index++) table.add(`/vda/usr/share/doc/package-${index}/changelog.Debian.gz`);
  const pathBytes = 55;
  t.ok(table.bytes < count * (pathBytes + 32), `${table.bytes} bytes`);
  t.ok(table.bytes > count * 50);
  t.end();
});

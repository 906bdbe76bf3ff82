import t from 'tap';
import type { FileId } from '../../../mount/filesystems/filesystem.js';
import { RunTable } from '../../../src/files/run-table.js';
import { Random } from '../../kit/random.js';

t.test('runs are kept by path until they are taken out', (t) => {
  const table = new RunTable();
  const id = (1n << 128n) | 5n;
  table.set('/vda/a', { id: 12, first: 0, last: 0 });
  table.set('/vda/b', { id, first: 0, last: 1 });
  table.set('/vda/c', { id: 14, first: 1, last: 1 });
  t.same(table.get('/vda/b'), { id, first: 0, last: 1 });
  t.equal(table.get('/vda/d'), undefined);
  t.equal(table.size, 3);
  t.same([...table.takeBefore(1)], [{ path: '/vda/a', run: { id: 12, first: 0, last: 0 } }]);
  t.equal(table.get('/vda/a'), undefined);
  t.same([...table.takeBefore(1)], []);
  t.same(
    [...table.takeBefore(Infinity)].map(({ path }) => path),
    ['/vda/b', '/vda/c'],
  );
  t.equal(table.size, 0);
  t.end();
});

t.test('a path that comes again has a run again, and paths are sorted', (t) => {
  const table = new RunTable();
  for (const name of ['c', 'a', 'd', 'b']) table.set(name, { id: 1, first: 0, last: name === 'a' ? 0 : 1 });
  t.same(
    [...table.takeBefore(1)].map(({ path }) => path),
    ['a'],
  );
  table.set('a', { id: 2, first: 2, last: 2 });
  t.same(
    [...table.takeBefore(Infinity)].map(({ path }) => path),
    ['a', 'b', 'c', 'd'],
  );
  t.end();
});

t.test('too many paths are not sorted', (t) => {
  const table = new RunTable();
  const count = 50_001;
  for (let file = 0; file < count; file++) table.set(`/vda/${count - file}`, { id: file, first: 0, last: 0 });
  const taken = [...table.takeBefore(Infinity)];
  t.same([taken.length, taken[0]?.path, taken.at(-1)?.path], [count, `/vda/${count}`, '/vda/1']);
  t.end();
});

t.test('paths without a run take no memory for long', (t) => {
  const table = new RunTable();
  for (let generation = 0; generation < 20; generation++) {
    for (let file = 0; file < 5_000; file++) {
      table.set(`/vda/tmp/${generation}-${file}`, { id: file, first: generation, last: generation });
    }
    t.equal([...table.takeBefore(generation)].length, generation === 0 ? 0 : 5_000);
  }
  t.equal(table.size, 5_000);
  t.ok(table.bytes < 3 * 5_000 * 150, `${table.bytes} bytes`);
  t.same(table.get('/vda/tmp/19-7'), { id: 7, first: 19, last: 19 });
  t.end();
});

t.test('as a Map does it, on random steps', (t) => {
  const random = new Random(1128);
  const table = new RunTable();
  const model = new Map<string, { id: FileId; first: number; last: number }>();
  for (let generation = 0; generation < 30; generation++) {
    for (let step = 0; step < 300; step++) {
      const path = `/vda/${random.below(400)}`;
      const run = { id: random.below(1000), first: table.get(path)?.first ?? generation, last: generation };
      table.set(path, run);
      model.set(path, run);
    }
    const taken = [...table.takeBefore(generation)].map(({ path }) => path);
    const expected = [...model].filter(([, { last }]) => last < generation).map(([path]) => path);
    for (const path of expected) model.delete(path);
    t.same(taken, expected.sort());
    t.equal(table.size, model.size);
  }
  let wrong = 0;
  for (const [path, run] of model) if (JSON.stringify(table.get(path)) !== JSON.stringify(run)) wrong++;
  t.equal(wrong, 0);
  t.end();
});

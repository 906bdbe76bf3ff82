import t from 'tap';
import { groupTests } from '../../scripts/test-groups.js';

t.test('tests of one folder share a process, a few at a time', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => `src/store/${name}.test.js`);
  t.strictSame(groupTests([...names].reverse()), [
    { name: 'src/store/from-a', files: names.slice(0, 6) },
    { name: 'src/store/from-g', files: names.slice(6) },
  ]);
});

t.test('tests of different folders do not', async (t) => {
  const groups = groupTests(['src/a.test.js', 'src/store/a.test.js']);
  t.strictSame(
    groups.map(({ files }) => files),
    [['src/a.test.js'], ['src/store/a.test.js']],
  );
});

t.test('what looks at its process has one of its own', async (t) => {
  const files = ['system/crash.test.js', 'system/qemu.test.js', 'src/store/mend.test.js', 'src/store/kv.test.js'];
  t.strictSame(
    groupTests(files).map(({ files }) => files),
    [['src/store/kv.test.js'], ['system/crash.test.js'], ['system/qemu.test.js'], ['src/store/mend.test.js']],
    'and comes first',
  );
});

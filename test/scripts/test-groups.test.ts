import t from 'tap';
import { groupTests } from '../../scripts/test-groups.js';

t.test('tests that lie beside each other share a process, a few at a time', async (t) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((name) => `src/store/${name}.test.js`);
  t.strictSame(groupTests([...names, 'src/tree/a.test.js'].reverse()), [
    { name: 'src/store/from-a', files: names.slice(0, 8) },
    { name: 'src/store/from-i', files: ['src/store/i.test.js', 'src/tree/a.test.js'] },
  ]);
});

t.test('tests of different parts do not', async (t) => {
  const groups = groupTests(['agent/a.test.js', 'src/a.test.js']);
  t.strictSame(
    groups.map(({ files }) => files),
    [['agent/a.test.js'], ['src/a.test.js']],
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

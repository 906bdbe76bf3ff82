import t from 'tap';
import { readTotals } from '../../scripts/test-totals.js';

t.test('the totals of a run are those of its last line', (t) => {
  const tap = ['ok 1 - a', '# { total: 2, pass: 2 }', 'not ok 2 - b', '# { total: 11, pass: 6, fail: 4, todo: 1 }', ''];
  t.strictSame(readTotals(tap.join('\n')), { passed: 6, failed: 4 });
  t.end();
});

t.test('totals of a subtest are not taken for those of the run', (t) => {
  t.strictSame(readTotals('# { total: 3, pass: 3 }\n    # { total: 1, fail: 1 }\n'), { passed: 3, failed: 0 });
  t.end();
});

t.test('a run that broke off or tested nothing has failed', (t) => {
  t.strictSame(readTotals('TAP version 14\nok 1 - a\n'), { passed: 0, failed: 1 });
  t.strictSame(readTotals('# { total: 0 }\n'), { passed: 0, failed: 1 });
  t.end();
});

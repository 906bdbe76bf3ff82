import t from 'tap';
import { TapDigest } from '../../scripts/tap-digest.js';

function digest(...lines: readonly string[]): string[] {
  const printed: string[] = [];
  const digest = new TapDigest((line) => printed.push(line));
  for (const line of lines) digest.line(line);
  digest.end();
  return printed;
}

t.test('a file that passed is one line', (t) => {
  const lines = ['TAP version 14', '1..2', '# Subtest: a', '    # seed 1', '    ok 1 - x', 'ok 1 - a # time=1ms', ''];
  t.strictSame(digest(...lines), ['ok 1 - a # time=1ms']);
  t.end();
});

t.test('a file that failed is printed in full, and nothing of the file before it', (t) => {
  const lines = ['    ok 1 - x', 'ok 1 - a', '# Subtest: b', '    # seed 7', '    not ok 1 - y', 'not ok 2 - b'];
  t.strictSame(digest(...lines), ['ok 1 - a', '    # seed 7', '    not ok 1 - y', 'not ok 2 - b']);
  t.end();
});

t.test('the table of coverage and the totals stay, and so does a file that broke off', (t) => {
  const lines = [' a.ts | 90 | 80 | 70 | 90 | 7-9', '# { total: 1, pass: 1 }', '    # seed 9'];
  t.strictSame(digest(...lines), lines);
  t.end();
});

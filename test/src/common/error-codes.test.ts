import { readFileSync } from 'node:fs';
import t from 'tap';
import { ERROR_CODES } from '../../../src/common/error-codes.js';
import { EXIT_CODES } from '../../../src/common/exit-codes.js';

const README = readFileSync(new URL('../../../../README.md', import.meta.url), 'utf8');

/** The rows of the table under a heading of README.md, without the titles. */
function table(heading: string): string[][] {
  const section = README.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

void t.test('README.md lists every exit code as it is', async (t) => {
  const codes = Object.entries(EXIT_CODES).map(([name, { code, meaning }]) => [String(code), name, meaning]);
  t.same(table('Exit codes'), codes);
});

void t.test('README.md lists every error code as it is', async (t) => {
  const codes = Object.entries(ERROR_CODES).map(([name, { exit, meaning }]) => {
    return [name, String(EXIT_CODES[exit].code), meaning];
  });
  t.same(table('Error codes'), codes);
});

void t.test('no two exit codes are the same', async (t) => {
  const codes = Object.values(EXIT_CODES).map(({ code }) => code);
  t.equal(new Set(codes).size, codes.length);
});

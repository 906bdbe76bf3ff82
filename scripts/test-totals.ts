import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface TestTotals {
  readonly passed: number;
  readonly failed: number;
}

const TOTALS = /^# \{ (total: \d+[^}]*) \}$/gm;
const COUNT = /(\w+): (\d+)/g;

/**
 * The assertions of a whole run, from the last line of totals in its TAP output. What is neither
 * passed nor failed (skipped, to do) is in neither. A run that broke off before its totals, or that
 * tested nothing, counts as one failure.
 */
export function readTotals(tap: string): TestTotals {
  const line = [...tap.matchAll(TOTALS)].at(-1)?.[1] ?? '';
  const counts = new Map([...line.matchAll(COUNT)].map(([, name, count]) => [name, Number(count)]));
  if (!counts.get('total')) return { passed: 0, failed: 1 };
  return { passed: counts.get('pass') ?? 0, failed: counts.get('fail') ?? 0 };
}

/** `test-totals TAP-FILE`: prints both numbers, passed first, on one line. */
function main([path = '']: readonly string[]): void {
  const { passed, failed } = readTotals(readFileSync(path, 'utf8'));
  console.log(`${passed} ${failed}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));

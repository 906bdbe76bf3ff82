import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** How far coverage may be above its floor, in percentage points, before the floor must follow. */
const SLACK = 0.5;

export interface Verdict {
  readonly ok: boolean;
  readonly message: string;
}

/** Compare the share of lines covered with its floor, both in per cent: coverage never falls. */
export function judgeCoverage(linesPercent: number, floorPercent: number): Verdict {
  if (linesPercent < floorPercent) {
    const message = `Coverage fell: ${linesPercent} % of the lines, and the floor is ${floorPercent} %. Test what is new.`;
    return { ok: false, message };
  }
  if (linesPercent > floorPercent + SLACK) {
    const floor = Math.floor(linesPercent * 10) / 10;
    return {
      ok: true,
      message: `Coverage rose to ${linesPercent} % of the lines: write ${floor} into .coverage-floor.`,
    };
  }
  return { ok: true, message: `Coverage: ${linesPercent} % of the lines, floor ${floorPercent} %.` };
}

interface CoverageSummary {
  readonly total: { readonly lines: { readonly pct: number } };
}

/** `coverage-floor SUMMARY.json FLOOR`: exits with 1 when coverage is below the floor. */
function main([summaryPath = '', floorPath = '']: readonly string[]): number {
  const summary = JSON.parse(readFileSync(summaryPath, 'utf8')) as CoverageSummary;
  const { ok, message } = judgeCoverage(summary.total.lines.pct, Number(readFileSync(floorPath, 'utf8')));
  console.log(message);
  return ok ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));

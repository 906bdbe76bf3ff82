import { Cron } from 'croner';
import { messageOf, UmbraError } from '../common/errors.js';
import type { Rhythm } from './policy.js';
import { checkZone } from './zone.js';

/** Intervals that are shorter count as this long: nothing is to run without a pause. */
export const LEAST_INTERVAL_MS = 60_000;
/** Compiled expressions that are kept. */
const MOST_COMPILED = 500;

const compiled = new Map<string, Cron>();

/**
 * When it is done next.
 *
 * Of an interval that is so long after `afterMs`, the begin of the last run. Of a calendar it is the first of its times after
 * `afterMs`. A time that the clocks skip comes at the moment when they are set forward, once, however many times they skip; a time that
 * they show twice comes once, the first time. An expression for every hour goes by the hours that pass instead.
 * @returns undefined if never
 * @throws {UmbraError} BAD_ARGUMENT for an expression or a time zone that is not right
 */
export function nextRun(rhythm: Rhythm, timeZone: string, afterMs: number): number | undefined {
  if (rhythm.kind === 'interval') return afterMs + intervalOf(rhythm);
  return least(rhythm.cron.map((expression) => compile(expression, timeZone).nextRun(new Date(afterMs))?.getTime()));
}

/**
 * The last time at or before `atMs` of a calendar, as {@link nextRun} has them. An interval has none: it counts from what was done.
 * @throws {UmbraError} BAD_ARGUMENT
 */
export function previousRun(rhythm: Rhythm, timeZone: string, atMs: number): number | undefined {
  if (rhythm.kind === 'interval') return undefined;
  // Runs lie on whole seconds, and those before a moment are asked for.
  const before = new Date(Math.floor(atMs / 1000) * 1000 + 1000);
  const runs = rhythm.cron.map((expression) => compile(expression, timeZone).previousRuns(1, before)[0]?.getTime());
  const latest = Math.max(...runs.map((run) => run ?? -Infinity));
  return latest === -Infinity ? undefined : latest;
}

/** The length of an interval in milliseconds. */
export function intervalOf({ everyMs }: Extract<Rhythm, { kind: 'interval' }>): number {
  return Math.max(everyMs, LEAST_INTERVAL_MS);
}

function least(runs: readonly (number | undefined)[]): number | undefined {
  const first = Math.min(...runs.map((run) => run ?? Infinity));
  return first === Infinity ? undefined : first;
}

/** @throws {UmbraError} BAD_ARGUMENT */
function compile(expression: string, timeZone: string): Cron {
  const key = `${timeZone} ${expression}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const cron = parse(expression, timeZone);
  if (compiled.size >= MOST_COMPILED) compiled.clear();
  compiled.set(key, cron);
  return cron;
}

function parse(expression: string, timeZone: string): Cron {
  checkZone(timeZone);
  try {
    return new Cron(fixTimes(expression), { timezone: timeZone, mode: '5-part', fixedTimeRule: 'no-wildcard' });
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', `"${expression}" is no calendar in the time zone ${timeZone}`, {
      hint: `It has minute, hour, day, month and day of the week, as "30 22 * * MON-FRI": ${messageOf(cause)}`,
      cause,
    });
  }
}

/**
 * The expression with the minutes and hours of its steps and stars written out, unless it is for every hour: croner takes times for
 * fixed ones, that are to come once whatever the clocks do, only if they are written out.
 */
function fixTimes(expression: string): string {
  const [minute, hour, ...date] = expression.trim().split(/\s+/);
  if (minute === undefined || hour === undefined || hour === '*') return expression;
  return [writeOut(minute, 59), writeOut(hour, 23), ...date].join(' ');
}

function writeOut(field: string, most: number): string {
  return field
    .split(',')
    .map((part) => writeOutPart(part, most))
    .join(',');
}

/** What is not of this form is left to croner, which says what is wrong with it. */
function writeOutPart(part: string, most: number): string {
  const match = /^(?:\*|(\d{1,2})-(\d{1,2}))(?:\/(\d{1,2}))?$/.exec(part);
  if (match === null) return part;
  const [, from = '0', to = String(most), step = '1'] = match;
  if (Number(from) > Number(to) || Number(to) > most || Number(step) === 0) return part;
  const values: number[] = [];
  for (let value = Number(from); value <= Number(to); value += Number(step)) values.push(value);
  return values.join(',');
}

import { durationMs } from '../common/durations.js';
import { LONG_NAME } from '../common/names.js';
import { suggest } from '../common/suggest.js';
import type { YamlPart } from '../system/yaml-tree.js';
import { isTimeZone } from './local-time.js';
import type { QuietWindow } from './policy.js';

/** Single values of a document of policies, each checked, and said with its line if it is wrong. */

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];
const RATE = /^(\d{1,9}(?:\.\d{1,3})?) ?(B|kB|KiB|MB|MiB|GB|GiB)\/s$/;
const RATE_UNITS: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['kB', 1e3],
  ['KiB', 2 ** 10],
  ['MB', 1e6],
  ['MiB', 2 ** 20],
  ['GB', 1e9],
  ['GiB', 2 ** 30],
]);
const CLOCK = /^([01]?\d|2[0-3]):([0-5]\d)$/;

/** @throws {UmbraError} BAD_ARGUMENT with the line, as all of these */
export function text(part: YamlPart): string {
  const value = part.scalar();
  if (typeof value === 'string' && value !== '') return value;
  if (typeof value === 'number') return String(value);
  throw part.wrong('must be a text');
}

/** Of a policy, group, machine or host. */
export function name(part: YamlPart): string {
  const value = text(part);
  if (LONG_NAME.test(value)) return value;
  throw part.wrong(`must be a name, not ${JSON.stringify(value)}`, NAME_HINT);
}

export const NAME_HINT =
  'Use letters, digits, ".", "_" and "-", beginning with a letter or digit, at most 128 characters.';

export function whole(part: YamlPart, least: number, most: number): number {
  const value = part.scalar();
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw part.wrong(`must be a whole number from ${least} to ${most}`);
}

export function oneOf<T extends string>(part: YamlPart, choices: readonly T[]): T {
  const value = part.scalar();
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const meant = typeof value === 'string' ? suggest(value, choices) : undefined;
  throw part.wrong(`must be ${choices.join(' or ')}`, meant === undefined ? undefined : `Did you mean "${meant}"?`);
}

/** In milliseconds. */
export function duration(part: YamlPart, leastMs: number, mostMs: number): number {
  const value = part.scalar();
  const ms = typeof value === 'string' ? durationMs(value) : value === 0 ? 0 : undefined;
  if (ms === undefined) throw part.wrong('must be a duration', 'Write 15min, 4h or 14d.');
  if (ms >= leastMs && ms <= mostMs) return ms;
  throw part.wrong(ms < leastMs ? 'is too short' : 'is too long', 'From a minute to 100 years make sense.');
}

export function timeZone(part: YamlPart): string {
  const value = text(part);
  if (isTimeZone(value)) return value;
  const meant = suggest(value, Intl.supportedValuesOf('timeZone'));
  const hint = `Write the name that IANA's list has, as Europe/Zurich or UTC.`;
  const asked = meant === undefined ? hint : `Did you mean ${meant}? ${hint}`;
  throw part.wrong(`is ${JSON.stringify(value)}, a time zone that does not exist`, asked);
}

/** In bytes for each second. */
export function rate(part: YamlPart, least: number): number {
  const [, digits = '', unit = ''] = RATE.exec(text(part)) ?? [];
  const bytes = Math.round(Number(digits) * (RATE_UNITS.get(unit) ?? 0));
  if (unit === '') throw part.wrong('must be a rate', 'Write 100MB/s, or 20MiB/s.');
  if (bytes >= least) return bytes;
  throw part.wrong('is too low a rate', `Write at least ${least / 1024}KiB/s.`);
}

/** Minutes since midnight. */
export function clock(part: YamlPart, value: string): number {
  const [, hours = '', minutes = ''] = CLOCK.exec(value) ?? [];
  if (hours !== '') return Number(hours) * 60 + Number(minutes);
  throw part.wrong(`has ${JSON.stringify(value)}, which is no time of the day`, 'Write 08:00 or 22:30.');
}

/** `mon-fri 08:00-18:00`, `sat,sun 00:00-24:00`; without days, of every day. */
export function quietWindow(part: YamlPart): QuietWindow {
  const words = text(part).trim().split(/ +/);
  const span = words.at(-1) ?? '';
  const [from = '', to = '', ...rest] = span.split('-');
  if (words.length > 2 || rest.length > 0 || to === '') {
    throw part.wrong(
      'must be a time of the week',
      'Write "mon-fri 08:00-18:00", "sat,sun 00:00-24:00" or "22:00-06:00".',
    );
  }
  const days = words.length === 1 ? EVERY_DAY : weekdays(part, words[0] ?? '');
  return { days, from: clock(part, from), to: to === '24:00' ? 24 * 60 : clock(part, to) };
}

function weekdays(part: YamlPart, value: string): number[] {
  const found = new Set<number>();
  for (const span of value.split(',')) {
    const [first = '', last = first, ...rest] = span.split('-');
    if (rest.length > 0)
      throw part.wrong(`has ${JSON.stringify(span)}, which are no days`, 'Write mon-fri or sat,sun.');
    const end = weekday(part, last);
    for (let day = weekday(part, first); ; day = (day + 1) % 7) {
      found.add(day);
      if (day === end) break;
    }
  }
  return [...found].toSorted((a, b) => a - b);
}

function weekday(part: YamlPart, value: string): number {
  const day = DAYS.findIndex((candidate) => candidate === value.toLowerCase());
  if (day >= 0) return day;
  throw part.wrong(`has ${JSON.stringify(value)}, which is no day`, `Days are ${DAYS.join(', ')}.`);
}

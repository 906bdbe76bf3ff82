import { Cron } from 'croner';

const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
const DAY_MINUTES = 24 * 60;
const DAY_MS = DAY_MINUTES * MINUTE_MS;
/** The pauses of any calendar of weeks, or of any but one of leap years, are all between these moments. */
const BEGIN_MS = Date.UTC(2024, 11, 1);
const WEEKLY_DAYS = 22;
const YEARLY_DAYS = 455;
/** So many days are looked at of what comes more seldom. */
const SELDOM = 3;
const DAILY = '* * *';
/** What croner has short names for. */
const NICKNAMES = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * 0'],
  ['@daily', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
]);

/** One expression: its minutes since midnight, and on which days. */
interface Calendar {
  readonly minutes: readonly number[];
  readonly date: string;
}

/**
 * How long the longest pause between two times of a calendar is, in milliseconds, as on days on which no clocks are set. It says
 * the same whenever it is asked: a document that was right in the morning is right in the evening.
 * @param cron expressions of minute, hour, day, month and day of the week
 * @returns undefined if there are no two times
 * @throws what croner says of an expression that is none
 */
export function longestPause(cron: readonly string[]): number | undefined {
  const calendars = cron.map(calendarOf);
  const daily = calendars.filter(({ date }) => date === DAILY);
  if (daily.length === calendars.length && daily.length > 0) return longestOfDay(minutesOf(daily));
  const isWeekly = calendars.every(({ date }) => date.startsWith('* * '));
  const endMs = BEGIN_MS + (isWeekly ? WEEKLY_DAYS : YEARLY_DAYS) * DAY_MS;
  const days = calendars.map(({ date }) => daysOf(date, endMs));
  const seldom = days.filter(({ isSeldom }) => isSeldom);
  // Behind the end of the shortest list there are days that nobody asked for.
  const lastMs = Math.min(...(seldom.length === days.length ? seldom.map((list) => list.lastMs) : [endMs]));
  return longestOf(calendars, days, lastMs);
}

interface Days {
  readonly all: readonly number[];
  readonly lastMs: number;
  readonly isSeldom: boolean;
}

/** The days of an expression's date from {@link BEGIN_MS} on, as their midnights; of what comes more seldom, the first ones. */
function daysOf(date: string, endMs: number): Days {
  const cron = compile(`0 0 ${date}`, 'UTC');
  const all: number[] = [];
  for (let day = after(cron, BEGIN_MS - 1); day !== undefined && day < endMs; day = after(cron, day)) all.push(day);
  if (all.length > 1) return { all, lastMs: endMs, isSeldom: false };
  const seldom = cron.nextRuns(SELDOM, new Date(BEGIN_MS)).map((day) => day.getTime());
  return { all: seldom, lastMs: seldom.at(-1) ?? 0, isSeldom: true };
}

function longestOf(calendars: readonly Calendar[], days: readonly Days[], lastMs: number): number | undefined {
  const ofDay = new Map<number, string>();
  for (const [index, { all }] of days.entries()) {
    for (const day of all) if (day <= lastMs) ofDay.set(day, `${ofDay.get(day) ?? ''} ${index}`);
  }
  // Many days are alike.
  const known = new Map<string, readonly number[]>();
  let longest: number | undefined;
  let before: number | undefined;
  for (const [day, which] of [...ofDay].toSorted(([a], [b]) => a - b)) {
    const minutes = known.get(which) ?? minutesOf(calendars.filter((_, index) => ` ${which} `.includes(` ${index} `)));
    known.set(which, minutes);
    const beganMs = day + (minutes[0] ?? 0) * MINUTE_MS;
    if (before !== undefined) longest = Math.max(longest ?? 0, beganMs - before, longestWithin(minutes));
    before = day + (minutes.at(-1) ?? 0) * MINUTE_MS;
  }
  return longest;
}

function longestWithin(minutes: readonly number[]): number {
  return (
    minutes.reduce((most, minute, index) => Math.max(most, minute - (minutes[index - 1] ?? minute)), 0) * MINUTE_MS
  );
}

function calendarOf(text: string): Calendar {
  const [minute = '', hour = '', ...date] = (NICKNAMES.get(text.trim().toLowerCase()) ?? text).trim().split(/\s+/);
  // Of each hour, and of each day, croner says which there are.
  const minutes = numberOf(minute) ?? valuesOf(`${minute} * * * *`, MINUTE_MS, HOUR_MINUTES);
  const hours = numberOf(hour) ?? valuesOf(`0 ${hour} * * *`, HOUR_MINUTES * MINUTE_MS, DAY_MINUTES / HOUR_MINUTES);
  return { minutes: hours.flatMap((of) => minutes.map((value) => of * HOUR_MINUTES + value)), date: date.join(' ') };
}

/** Asking for times costs some milliseconds, and documents may have many calendars. */
function numberOf(field: string): number[] | undefined {
  return /^\d{1,2}$/.test(field) ? [Number(field)] : undefined;
}

/** What an expression says of units of `unitMs`, of which there are so many. */
function valuesOf(text: string, unitMs: number, most: number): number[] {
  const cron = compile(text, 'UTC');
  const endMs = BEGIN_MS + most * unitMs;
  const values: number[] = [];
  for (let at = after(cron, BEGIN_MS - 1); at !== undefined && at < endMs; at = after(cron, at)) {
    values.push((at - BEGIN_MS) / unitMs);
  }
  return values;
}

function after(cron: Cron, timeMs: number): number | undefined {
  return cron.nextRun(new Date(timeMs))?.getTime();
}

function minutesOf(calendars: readonly Pick<Calendar, 'minutes'>[]): number[] {
  return [...new Set(calendars.flatMap(({ minutes }) => minutes))].sort((a, b) => a - b);
}

function longestOfDay(minutes: readonly number[]): number {
  const first = minutes[0] ?? 0;
  const pauses = minutes.map((minute, index) => (minutes[index + 1] ?? first + DAY_MINUTES) - minute);
  return Math.max(...pauses) * MINUTE_MS;
}

/** @returns what is wrong with it, for people; undefined if it is right and comes at some time */
export function checkCron(cron: string, timeZone: string, nowMs: number): string | undefined {
  try {
    return compile(cron, timeZone).nextRun(new Date(nowMs)) === null ? 'never comes' : undefined;
  } catch (error) {
    return `is no calendar: ${error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error)}`;
  }
}

function compile(cron: string, timeZone: string): Cron {
  return new Cron(cron, { mode: '5-part', timezone: timeZone, paused: true });
}

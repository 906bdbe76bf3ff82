import { Cron } from 'croner';

/** So many times of a calendar are looked at for the longest pause between two. */
const TIMES = 12;
const DAY_MINUTES = 24 * 60;
const MINUTE_MS = 60_000;

/**
 * How long the longest pause between two times of a calendar is, in milliseconds, of those that come next. Of times of each day
 * it is as on days on which no clocks are set.
 * @param cron expressions of minute, hour, day, month and day of the week
 * @param timeZone one that is known
 * @returns undefined if no time ever comes
 * @throws what croner says of an expression that is none
 */
export function longestPause(cron: readonly string[], timeZone: string, nowMs: number): number | undefined {
  const minutes = cron.map(minuteOfDay);
  if (cron.length > 0 && minutes.every((minute) => minute !== undefined)) return longestOfDay(minutes);
  const all = cron.map((text) => {
    return compile(text, timeZone)
      .nextRuns(TIMES, new Date(nowMs))
      .map((time) => time.getTime());
  });
  const ends = all.filter((times) => times.length > 0).map((times) => times.at(-1) ?? 0);
  if (ends.length === 0) return undefined;
  // Behind the end of the shortest list there are times that nobody asked for.
  const end = Math.min(...ends);
  const times = all.flat().filter((time) => time <= end);
  times.sort((a, b) => a - b);
  return times.reduce((longest, time, index) => Math.max(longest, time - (times[index - 1] ?? nowMs)), 0);
}

/** Minutes since midnight of what comes once on each day; asking for its times costs some milliseconds, and documents may have many. */
function minuteOfDay(text: string): number | undefined {
  const [, minute, hour] = /^(\d{1,2}) (\d{1,2}) \* \* \*$/.exec(text) ?? [];
  return minute === undefined ? undefined : Number(hour) * 60 + Number(minute);
}

function longestOfDay(minutes: readonly number[]): number {
  const sorted = minutes.toSorted((a, b) => a - b);
  const first = sorted[0] ?? 0;
  const pauses = sorted.map((minute, index) => (sorted[index + 1] ?? first + DAY_MINUTES) - minute);
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

import { Cron } from 'croner';

/** So many times of a calendar are looked at for the longest pause between two. */
const TIMES = 12;

/**
 * How long the longest pause between two times of a calendar is, in milliseconds, of those that come next.
 * @param cron expressions of minute, hour, day, month and day of the week
 * @param timeZone one that is known
 * @returns undefined if no time ever comes
 * @throws what croner says of an expression that is none
 */
export function longestPause(cron: readonly string[], timeZone: string, nowMs: number): number | undefined {
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

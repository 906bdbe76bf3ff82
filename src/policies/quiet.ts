import type { QuietWindow } from './policy.js';
import { dayIn, momentsOf, weekdayOf } from './zone.js';

/** Windows that lie one behind the other are followed so far; after that it is said that they never end. */
const FARTHEST_MS = 15 * 24 * 60 * 60 * 1000;

/**
 * When the quiet time ends in which `timeMs` lies; windows that touch each other are one. Where clocks are set back over an end of
 * a window, it is the end that makes it longer; where they are set forward over it, it is the moment of the change.
 * @returns undefined if it lies in none; Infinity if it never ends
 * @throws {UmbraError} BAD_ARGUMENT for a time zone that nobody knows
 */
export function quietUntil(windows: readonly QuietWindow[], timeZone: string, timeMs: number): number | undefined {
  let endMs: number | undefined;
  for (let at = timeMs; at - timeMs < FARTHEST_MS;) {
    const end = latestEnd(windows, timeZone, at);
    if (end === undefined) return endMs;
    endMs = end;
    at = end;
  }
  return Infinity;
}

/** The last of the ends of those windows in which `timeMs` lies. */
function latestEnd(windows: readonly QuietWindow[], timeZone: string, timeMs: number): number | undefined {
  if (windows.length === 0) return undefined;
  const day = dayIn(timeZone, timeMs);
  let latest: number | undefined;
  for (const window of windows) {
    // One of yesterday may reach over midnight; where clocks are set back at midnight, one of tomorrow has begun.
    for (const begin of [day - 1, day, day + 1]) {
      if (!window.days.includes(weekdayOf(begin))) continue;
      const { startMs, endMs } = span(window, begin, timeZone);
      if (startMs <= timeMs && timeMs < endMs) latest = Math.max(latest ?? endMs, endMs);
    }
  }
  return latest;
}

function span({ from, to }: QuietWindow, day: number, timeZone: string): { startMs: number; endMs: number } {
  return {
    startMs: momentsOf(timeZone, day, from).first,
    endMs: momentsOf(timeZone, to > from ? day : day + 1, to).last,
  };
}

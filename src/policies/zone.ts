import { UmbraError } from '../common/errors.js';
import { isTimeZone, localTime } from './local-time.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const MINUTE_MS = 60 * 1000;
/** 1970-01-01 was a Thursday. */
const FIRST_WEEKDAY = 4;

/** Offsets that are kept for each zone: to ask for one takes some 20 µs. */
const MOST_OFFSETS = 10_000;

/** How far the clocks of a zone are ahead of UTC, by the minute: they are set at whole ones. */
const offsets = new Map<string, Map<number, number>>();

/** The day that the calendars of a time zone show, in days since 1970-01-01. @throws {UmbraError} BAD_ARGUMENT for no time zone */
export function dayIn(zone: string, timeMs: number): number {
  return Math.floor((timeMs + offsetAt(zone, timeMs)) / DAY_MS);
}

/** @param day days since 1970-01-01 @returns 0 for Sunday */
export function weekdayOf(day: number): number {
  return (((day + FIRST_WEEKDAY) % 7) + 7) % 7;
}

/**
 * When the clocks show a time: first and last are two moments where they are set back over it, and both the moment of the
 * change where they are set forward over it.
 * @param minute minutes since the midnight with which `day` begins
 * @throws {UmbraError} BAD_ARGUMENT for a time zone that nobody knows
 */
export function momentsOf(
  zone: string,
  day: number,
  minute: number,
): { readonly first: number; readonly last: number } {
  const local = day * DAY_MS + minute * MINUTE_MS;
  const candidates = [local - offsetAt(zone, local - DAY_MS), local - offsetAt(zone, local + DAY_MS)];
  const from = Math.min(...candidates);
  const to = Math.max(...candidates);
  const right = [from, to].filter((moment) => moment + offsetAt(zone, moment) === local);
  const [first, last = first] = right;
  if (first !== undefined && last !== undefined) return { first, last };
  const change = changeBetween(zone, from, to);
  return { first: change, last: change };
}

/** @throws {UmbraError} BAD_ARGUMENT for a time zone that nobody knows */
export function checkZone(zone: string): void {
  if (isTimeZone(zone)) return;
  throw new UmbraError('BAD_ARGUMENT', `there is no time zone "${zone}"`, {
    hint: "Give IANA's name, as Europe/Zurich or UTC.",
  });
}

/** The first moment after `from` at which the clocks are as at `to`. */
function changeBetween(zone: string, from: number, to: number): number {
  const after = offsetAt(zone, to);
  let low = from;
  let high = to;
  while (high - low > MINUTE_MS) {
    const middle = low + Math.floor((high - low) / (2 * MINUTE_MS)) * MINUTE_MS;
    if (offsetAt(zone, middle) === after) high = middle;
    else low = middle;
  }
  return high;
}

/** How far the clocks of a zone are ahead of UTC, in milliseconds. */
function offsetAt(zone: string, timeMs: number): number {
  const known = offsetsOf(zone);
  const minute = Math.floor(timeMs / MINUTE_MS);
  const found = known.get(minute);
  if (found !== undefined) return found;
  const shown = localTime(minute * MINUTE_MS, zone);
  const local = Date.UTC(shown.year, shown.month - 1, shown.day, shown.hour, shown.minute, shown.second);
  if (known.size >= MOST_OFFSETS) known.clear();
  known.set(minute, local - minute * MINUTE_MS);
  return local - minute * MINUTE_MS;
}

function offsetsOf(zone: string): Map<number, number> {
  const known = offsets.get(zone);
  if (known !== undefined) return known;
  checkZone(zone);
  const none = new Map<number, number>();
  offsets.set(zone, none);
  return none;
}

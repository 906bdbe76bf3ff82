import { UmbraError } from '../common/errors.js';

/** What the clocks of a time zone show. */
export interface LocalTime {
  /** Days since 1970-01-01. */
  readonly day: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** Minutes since midnight. */
  readonly minute: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const MINUTE_MS = 60 * 1000;
/** 1970-01-01 was a Thursday. */
const FIRST_WEEKDAY = 4;

/** Offsets that are kept for each zone: to ask for one takes some 20 µs. */
const MOST_OFFSETS = 10_000;

interface Zone {
  readonly format: Intl.DateTimeFormat;
  /** By the minute: clocks are set at whole ones. */
  readonly offsets: Map<number, number>;
}

const zones = new Map<string, Zone>();

/** @throws {UmbraError} BAD_ARGUMENT for a time zone that nobody knows */
export function localTime(zone: string, timeMs: number): LocalTime {
  const local = timeMs + offsetAt(zone, timeMs);
  const day = Math.floor(local / DAY_MS);
  return { day, weekday: weekdayOf(day), minute: Math.floor((local - day * DAY_MS) / MINUTE_MS) };
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
function offsetAt(name: string, timeMs: number): number {
  const { format, offsets } = zoneOf(name);
  const minute = Math.floor(timeMs / MINUTE_MS);
  const known = offsets.get(minute);
  if (known !== undefined) return known;
  const offset = readOffset(format, minute * MINUTE_MS);
  if (offsets.size >= MOST_OFFSETS) offsets.clear();
  offsets.set(minute, offset);
  return offset;
}

function readOffset(format: Intl.DateTimeFormat, timeMs: number): number {
  const found: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
  for (const { type, value } of format.formatToParts(timeMs)) found[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = found;
  return Date.UTC(year, month - 1, day, hour, minute, second) - timeMs;
}

/** @throws {UmbraError} BAD_ARGUMENT for a time zone that nobody knows */
export function checkZone(name: string): void {
  zoneOf(name);
}

function zoneOf(name: string): Zone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const number = 'numeric';
  const fields = { year: number, month: number, day: number, hour: number, minute: number, second: number } as const;
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: name, hourCycle: 'h23', ...fields });
    const zone = { format, offsets: new Map<number, number>() };
    zones.set(name, zone);
    return zone;
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', `there is no time zone "${name}"`, {
      hint: "Give IANA's name, as Europe/Zurich or UTC.",
      cause,
    });
  }
}

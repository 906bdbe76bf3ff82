/** What the clocks of a place show, found out as plainly as it goes: by stepping through its days, a quarter of an hour at a time. */

const SLOT_MS = 15 * 60_000;
const DAY_MS = 86_400_000;
const SLOTS = DAY_MS / SLOT_MS;

export interface Local {
  /** `2027-03-28`. */
  readonly date: string;
  /** Since midnight. */
  readonly minute: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clocks of a place show at a moment. */
export function localAt(timeZone: string, timeMs: number): Local {
  let format = formats.get(timeZone);
  if (format === undefined) {
    const two = '2-digit';
    const fields = { year: 'numeric', month: two, day: two, hour: two, minute: two, hourCycle: 'h23' } as const;
    format = new Intl.DateTimeFormat('sv-SE', { timeZone, ...fields });
    formats.set(timeZone, format);
  }
  const [date = '', time = ''] = format.format(timeMs).split(' ');
  const [hour = '', minute = ''] = time.split(':');
  return { date, minute: Number(hour) * 60 + Number(minute), weekday: new Date(`${date}T00:00:00Z`).getUTCDay() };
}

const days = new Map<string, readonly Local[]>();

/** What the clocks show at each quarter of an hour of a day of UTC. */
function slotsOf(timeZone: string, utcDay: number): readonly Local[] {
  const key = `${timeZone} ${utcDay}`;
  let slots = days.get(key);
  if (slots === undefined) {
    slots = Array.from({ length: SLOTS }, (_, index) => localAt(timeZone, utcDay * DAY_MS + index * SLOT_MS));
    if (days.size > 20_000) days.clear();
    days.set(key, slots);
  }
  return slots;
}

export interface Calendar {
  /** Minutes since midnight, quarters of an hour. */
  readonly minutes: readonly number[];
  /** All without it; 0 is Sunday. */
  readonly weekdays?: readonly number[];
}

const due = new Map<string, readonly number[]>();

/**
 * The moments of a day of UTC at which a calendar is due. A time that clocks skip comes when they are set forth; one that they show twice,
 * the first time.
 */
export function dueOn(calendar: Calendar, timeZone: string, utcDay: number): readonly number[] {
  const key = `${timeZone} ${calendar.minutes.join(',')} ${calendar.weekdays?.join(',') ?? '*'} ${utcDay}`;
  let moments = due.get(key);
  if (moments === undefined) {
    moments = findDue(calendar, timeZone, utcDay);
    if (due.size > 100_000) due.clear();
    due.set(key, moments);
  }
  return moments;
}

function findDue({ minutes, weekdays }: Calendar, timeZone: string, utcDay: number): readonly number[] {
  const slots = [...slotsOf(timeZone, utcDay - 1), ...slotsOf(timeZone, utcDay)];
  const moments: number[] = [];
  for (let index = SLOTS; index < 2 * SLOTS; index += 1) {
    const now = slots[index];
    const before = slots[index - 1];
    if (now === undefined || before === undefined) continue;
    const since = minuteOf(before);
    const until = minuteOf(now);
    // Clocks were set back, and show again what they have shown.
    const shown = Math.max(...slots.slice(index - 12, index).map(minuteOf));
    for (let minute = Math.max(since, shown) + 1; minute <= until; minute += 1) {
      if (!minutes.includes(minute % 1440)) continue;
      const weekday = (Math.floor(minute / 1440) + 4) % 7;
      if (weekdays !== undefined && !weekdays.includes(weekday)) continue;
      moments.push(utcDay * DAY_MS + (index - SLOTS) * SLOT_MS);
      break;
    }
  }
  return moments;
}

/** Minutes that the clocks show, since 1970 as they count. */
function minuteOf({ date, minute }: Local): number {
  return Date.parse(`${date}T00:00:00Z`) / 60_000 + minute;
}

/** The last moment, not after this one, at which a calendar was due. */
export function lastDue(calendar: Calendar, timeZone: string, atMs: number): number {
  for (let day = Math.floor(atMs / DAY_MS); ; day -= 1) {
    const moment = dueOn(calendar, timeZone, day).findLast((other) => other <= atMs);
    if (moment !== undefined) return moment;
  }
}

export interface QuietTime {
  readonly weekdays: readonly number[];
  readonly from: number;
  readonly to: number;
}

/** Whether clocks show a time at which nothing is begun. */
export function isQuiet(windows: readonly QuietTime[], timeZone: string, atMs: number): boolean {
  if (windows.length === 0) return false;
  const { minute, weekday } = localAt(timeZone, atMs);
  const yesterday = (weekday + 6) % 7;
  return windows.some(({ weekdays, from, to }) => {
    if (to > from) return weekdays.includes(weekday) && from <= minute && minute < to;
    return (weekdays.includes(weekday) && minute >= from) || (weekdays.includes(yesterday) && minute < to);
  });
}

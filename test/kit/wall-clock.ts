/** What clocks show, step by step, as Intl has it: slow and plain, to judge what is computed otherwise. */

export interface Shown {
  readonly timeMs: number;
  /** `2027-03-28 03:00` */
  readonly text: string;
  /** `Sun` */
  readonly weekday: string;
  readonly hour: number;
  readonly minute: number;
}

/** Clocks are set at multiples of it. */
export const STEP_MS = 5 * 60_000;
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** What the clocks of a zone show every five minutes from `from` on, before `to`. */
export function showTimes(zone: string, from: number, to: number): readonly Shown[] {
  const fields = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' } as const;
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, hourCycle: 'h23', ...fields });
  const times: Shown[] = [];
  for (let timeMs = from; timeMs < to; timeMs += STEP_MS) {
    const text = format.format(timeMs);
    const weekday = DAYS[new Date(`${text.slice(0, 10)}T00:00:00Z`).getUTCDay()] ?? '';
    times.push({ timeMs, text, weekday, hour: Number(text.slice(11, 13)), minute: Number(text.slice(14, 16)) });
  }
  return times;
}

/** Zones and days, in UTC, in the midst of which their clocks are set. */
export const CHANGES = [
  { zone: 'Europe/Zurich', day: '2027-03-28' },
  { zone: 'Europe/Zurich', day: '2027-10-31' },
  { zone: 'America/St_Johns', day: '2027-11-07' },
  { zone: 'America/Havana', day: '2027-03-14' },
  { zone: 'Australia/Lord_Howe', day: '2027-10-02' },
  { zone: 'Australia/Lord_Howe', day: '2027-04-03' },
  { zone: 'Pacific/Apia', day: '2011-12-30' },
] as const;

/** A moment as the clocks of a time zone show it. */
export interface LocalTime {
  readonly year: number;
  /** 1 is January. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

/** True for the name of a time zone that is known here: `Europe/Zurich`, `UTC`. */
export function isTimeZone(name: string): boolean {
  try {
    formatFor(name);
    return true;
  } catch {
    return false;
  }
}

/**
 * What the clocks of a time zone show.
 * @param timeZone one that {@link isTimeZone} knows
 */
export function localTime(timeMs: number, timeZone: string): LocalTime {
  const parts = new Map<string, number>();
  for (const { type, value } of formatFor(timeZone).formatToParts(timeMs)) parts.set(type, Number(value));
  const part = (name: string): number => parts.get(name) ?? 0;
  return {
    year: part('year'),
    month: part('month'),
    day: part('day'),
    hour: part('hour'),
    minute: part('minute'),
    second: part('second'),
  };
}

/**
 * The same time of the day some days before, as the clocks of a time zone show it; over a change of the clocks that is not a
 * whole number of 24 hours. A time that the clocks skip is taken as one they don't, an hour away.
 */
export function daysBefore(timeMs: number, days: number, timeZone: string): number {
  const wanted = timeMs + offsetMs(timeMs, timeZone) - days * DAY_MS;
  // The offset at that moment is what is looked for: by the one that holds nearby it is found, but for a change just then.
  const nearby = wanted - offsetMs(wanted, timeZone);
  return wanted - offsetMs(nearby, timeZone);
}

/** The year and the number of its week that a day is in, as ISO 8601 counts: the year of the week's Thursday. */
export function isoWeek({ year, month, day }: LocalTime): { readonly year: number; readonly week: number } {
  const dayNumber = Date.UTC(year, month - 1, day) / DAY_MS;
  // 1970-01-01 was a Thursday.
  const sinceMonday = (((dayNumber + 3) % 7) + 7) % 7;
  const thursday = dayNumber - sinceMonday + 3;
  const weekYear = new Date(thursday * DAY_MS).getUTCFullYear();
  return { year: weekYear, week: Math.floor((thursday - Date.UTC(weekYear, 0, 1) / DAY_MS) / 7) + 1 };
}

/** How far the clocks of a time zone are ahead of UTC. */
function offsetMs(timeMs: number, timeZone: string): number {
  const { year, month, day, hour, minute, second } = localTime(timeMs, timeZone);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(timeMs / 1000) * 1000;
}

function formatFor(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formats.set(timeZone, format);
  return format;
}

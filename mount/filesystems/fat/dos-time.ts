const MS_PER_MINUTE = 60_000;
const NS_PER_MS = 1_000_000n;

/**
 * Nanoseconds since 1970 of a DOS date and time, which are a clock on the wall: of the time zone that this program runs
 * in (`TZ`), with the offset that was right there on that date. FAT specification, section 6.
 * @param date years since 1980 in bits 9 to 15, month, day
 * @param time hours in bits 11 to 15, minutes, units of two seconds
 * @param centiseconds 0 to 199, on top of it
 */
export function dosTimeNs(date: number, time: number, centiseconds = 0): bigint {
  const [year, month, day] = dateParts(date);
  const [hours, minutes, seconds] = timeParts(time);
  return BigInt(new Date(year, month - 1, day, hours, minutes, seconds, centiseconds * 10).getTime()) * NS_PER_MS;
}

/** The same where the offset of the clock from UTC is known. */
export function dosTimeAtOffsetNs(date: number, time: number, centiseconds: number, offsetMinutes: number): bigint {
  const [year, month, day] = dateParts(date);
  const [hours, minutes, seconds] = timeParts(time);
  const wallMs = Date.UTC(year, month - 1, day, hours, minutes, seconds, centiseconds * 10);
  return BigInt(wallMs - offsetMinutes * MS_PER_MINUTE) * NS_PER_MS;
}

/** Months and days that are none are the nearest one, as in Linux. */
function dateParts(date: number): readonly [year: number, month: number, day: number] {
  const month = Math.min(12, Math.max(1, (date >> 5) & 15));
  return [1980 + (date >> 9), month, Math.max(1, date & 31)];
}

function timeParts(time: number): readonly [hours: number, minutes: number, seconds: number] {
  return [time >> 11, (time >> 5) & 63, (time & 31) * 2];
}

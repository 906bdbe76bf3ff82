const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
]);
const PATTERN = /^(\d{1,9})(s|min|h|d)$/;

/** `90s`, `30min`, `12h` or `7d`, in milliseconds; undefined for anything else, nothing at all included. */
export function durationMs(text: string): number | undefined {
  const [, digits = '', unit = ''] = PATTERN.exec(text) ?? [];
  const ms = Number(digits) * (UNIT_MS.get(unit) ?? 0);
  return ms > 0 ? ms : undefined;
}

/** As {@link durationMs} reads it, in the largest unit that it is a whole number of: `90min`, `14d`. */
export function durationText(ms: number): string {
  for (const [unit, unitMs] of UNIT_MS) if (ms > 0 && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  return `${Math.round(ms / 1000)}s`;
}

/** What a Date can show, in seconds (ECMAScript, section 21.4.1.1). */
const MAX_SECONDS = 8_640_000_000_000n;
const NS_PER_SECOND = 1_000_000_000n;

/**
 * Nanoseconds since 1970 as ISO 8601: `2026-11-22T10:15:00.123456789Z`. What lies beyond the times of ECMAScript, some
 * 270,000 years away, is shown as the nearest of them.
 */
export function isoTime(timeNs: bigint): string {
  const nanoseconds = ((timeNs % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const seconds = (timeNs - nanoseconds) / NS_PER_SECOND;
  const shown = seconds > MAX_SECONDS ? MAX_SECONDS : seconds < -MAX_SECONDS ? -MAX_SECONDS : seconds;
  const second = new Date(Number(shown) * 1000).toISOString().replace(/\.\d+Z$/, '');
  return `${second}.${String(nanoseconds).padStart(9, '0')}Z`;
}

import type { ScrubResult } from '../protocol/upkeep-api.js';
import { formatBytes, formatCount, formatTime, plural } from './format.js';

/** How long ago any object was read, at most: `every object that is older was read since 2026-11-20 10:15:00`. */
export function boundText({ days, objects, unreadObjects, readSince, oldestDays, isLate }: ScrubResult): string {
  if (objects === 0) return 'there is nothing to read';
  const late = isLate ? `, which is LATE: all should be every ${plural(days, 'day')}` : '';
  if (readSince !== undefined) return `every object that is older was read since ${formatTime(readSince)}${late}`;
  const since = plural(Math.floor(oldestDays), 'day');
  const what = unreadObjects === 0 ? 'the index was' : plural(unreadObjects, 'object was', 'objects were');
  return `${what} never read since stored, for ${since} at most${late}`;
}

/** How far the pass is, and when everything will have been read. */
export function passText({ objects, passObjects, passEndsAt }: ScrubResult): string {
  const end = passEndsAt === undefined ? '' : `, ends about ${formatTime(passEndsAt)}`;
  return `${objects === 0 ? 100 : Math.floor((100 * passObjects) / objects)} %${end}`;
}

/** For the figures of a server that reads by itself, in one line; nothing of another one. */
export function scrubPairs(scrub: ScrubResult | undefined): [string, string][] {
  if (scrub === undefined || scrub.days === 0) return [];
  return [['scrub', scrub.objects === 0 ? boundText(scrub) : `${boundText(scrub)}; this pass ${passText(scrub)}`]];
}

/** `storedBytes` or `bytesPerDay`, and whether it is exact. */
export function scrubBytes({ isEstimate }: ScrubResult, bytes: number): string {
  return `${isEstimate ? 'about ' : ''}${formatBytes(bytes)}`;
}

/** How many objects, and how large. */
export function objectsText(scrub: ScrubResult): string {
  return `${formatCount(scrub.objects)} (${scrubBytes(scrub, scrub.storedBytes)})`;
}

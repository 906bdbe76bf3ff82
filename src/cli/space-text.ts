import type { SpaceInfo } from '../protocol/space-api.js';
import { formatBytes, plural } from './format.js';

/** How much room the disk of the store has, in words. */
export function spaceText({ state, freeBytes, sizeBytes, stopBytes, resumeBytes, fullInDays }: SpaceInfo): string {
  const free = `${formatBytes(freeBytes)} of ${formatBytes(sizeBytes)} are free`;
  if (state === 'stopped') return `${free}: NO SHADOW COPIES are made until there are ${formatBytes(resumeBytes)}`;
  const days = fullInDays === undefined ? '' : `, for ${plural(Math.floor(fullInDays), 'day')} as it went until now`;
  return `${free}${days}; below ${formatBytes(stopBytes)} no shadow copies are made`;
}

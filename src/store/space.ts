import type { DiskFigures } from './reserve.js';

/** When the store has too little room: pure, figures in, a state out. */

const GIB = 1024 ** 3;
/** Without more to go by, a warning comes with so little free: this part of the disk… */
const WARN_PART = 10;
/** …and no more than that. */
const WARN_BYTES = 20 * GIB;
/** So much is left for LevelDB to write its logs to tables, to compact, and to delete: this part of the disk, beside the reserve… */
const STOP_PART = 256;
/** …and no more than that. */
const STOP_BYTES = GIB;
/** What stopped begins again with half as much again, so that it does not stop at once. */
const RESUME_TIMES = 1.5;
/** A warning ends with a little more than what began it. */
const CALM_TIMES = 1.1;
/** Of files that the file system can still make; a store makes one for each 64 MiB. */
const WARN_FILES = 1000;
const STOP_FILES = 64;

/** What somebody has set. */
export interface ChosenLimits {
  readonly warnBytes?: number;
  readonly stopBytes?: number;
}

export interface SpaceLimits {
  /** With less free there is a warning. */
  readonly warnBytes: number;
  /** With less free nothing is taken in. */
  readonly stopBytes: number;
  /** With so much free it goes on. */
  readonly resumeBytes: number;
}

/** `stopped`: nothing is taken in, so that there is room for deleting. */
export const SPACE_STATES = ['ok', 'warning', 'stopped'] as const;
export type SpaceState = (typeof SPACE_STATES)[number];

export function spaceLimits({ sizeBytes }: DiskFigures, chosen: ChosenLimits): SpaceLimits {
  const stopBytes = chosen.stopBytes ?? Math.min(STOP_BYTES, Math.floor(sizeBytes / STOP_PART));
  const resumeBytes = Math.ceil(stopBytes * RESUME_TIMES);
  const warnBytes = Math.max(chosen.warnBytes ?? Math.min(WARN_BYTES, Math.floor(sizeBytes / WARN_PART)), resumeBytes);
  return { warnBytes, stopBytes, resumeBytes };
}

/** @param before what was so until now: it ends with more room than it began with */
export function spaceState(disk: DiskFigures, limits: SpaceLimits, before: SpaceState): SpaceState {
  const stopped = before === 'stopped';
  if (disk.freeBytes < (stopped ? limits.resumeBytes : limits.stopBytes)) return 'stopped';
  // A file system that does not count its files says 0 of 0.
  const hasFiles = (files: number): boolean => disk.files === 0 || disk.freeFiles >= Math.min(files, disk.files / 32);
  if (!hasFiles(stopped ? 2 * STOP_FILES : STOP_FILES)) return 'stopped';
  const times = before === 'ok' ? 1 : CALM_TIMES;
  return disk.freeBytes >= limits.warnBytes * times && hasFiles(WARN_FILES * times) ? 'ok' : 'warning';
}

/** How much was free at a moment. */
export interface SpaceSample {
  readonly atMs: number;
  readonly freeBytes: number;
}

const DAY_MS = 86_400_000;
/** From less than a day nothing is foretold. */
const LEAST_SPAN_MS = DAY_MS;
/** Nor for more than a year. */
const MOST_DAYS = 365;

/**
 * In how many days nothing is taken in any more, if it goes on as it did on average since the first of `samples`. Undefined if that is not known,
 * or not to be expected.
 */
export function fullInDays(samples: readonly SpaceSample[], { stopBytes }: SpaceLimits): number | undefined {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.atMs - first.atMs < LEAST_SPAN_MS) return undefined;
  const takenPerDay = ((first.freeBytes - last.freeBytes) / (last.atMs - first.atMs)) * DAY_MS;
  if (takenPerDay <= 0) return undefined;
  const days = Math.max(0, last.freeBytes - stopBytes) / takenPerDay;
  return days > MOST_DAYS ? undefined : days;
}

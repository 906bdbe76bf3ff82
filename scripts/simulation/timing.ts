import type { JobKind } from '../../src/protocol/jobs-api.js';
import { dueOn, isQuiet, lastDue } from './local-clock.js';
import type { ModelMachine } from './model-machine.js';
import type { SimPolicy, SimRhythm } from './sim-policies.js';

/** When machines are due, by policies and by what was done so far. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** So long it may take until an agent hears of a run that begins. */
export const NOTED_MS = 20_000;

/** When runs of a kind come; undefined if none do. */
export function rhythmOf({ rhythm, replicate }: SimPolicy, kind: JobKind): SimRhythm | undefined {
  return kind === 'replicate' ? replicate : rhythm;
}

/** The last run of a kind, by the wall clock; what lies in its future does not count. */
export function lastRunMs(machine: ModelMachine, kind: JobKind, wallMs: number): number | undefined {
  const newest = kind === 'replicate' ? machine.newest : machine.points.at(-1);
  const runs = machine.runsAs(kind).map(({ lastWallMs }) => lastWallMs);
  const times = [...runs, newest?.timeMs].filter((time) => time !== undefined && time <= wallMs);
  return times.length === 0 ? undefined : Math.max(...times.map((time) => time ?? 0));
}

/** Whether a run of a kind is due. @param sinceMs the last one */
export function isDue(
  policy: SimPolicy,
  kind: JobKind,
  sinceMs: number | undefined,
  { plannedWallMs }: ModelMachine,
  wallMs: number,
): boolean {
  const rhythm = rhythmOf(policy, kind);
  if (rhythm === undefined) return false;
  // The server counts from when it notes that a run begins, and no sooner than that does an agent hear of it.
  if ('everyHours' in rhythm)
    return sinceMs === undefined || wallMs - sinceMs >= rhythm.everyHours * HOUR_MS - NOTED_MS;
  return lastDue(rhythm, policy.timeZone, wallMs) > (sinceMs ?? plannedWallMs);
}

/** The first time that a machine is due after its last run, or after it was planned for; Infinity if it is not due yet. */
export function nextDue(
  rhythm: SimRhythm,
  timeZone: string,
  ranMs: number | undefined,
  plannedMs: number,
  nowMs: number,
): number {
  if ('everyHours' in rhythm) return ranMs === undefined ? plannedMs : ranMs + rhythm.everyHours * HOUR_MS;
  const fromMs = ranMs ?? plannedMs;
  // No more than what may have been missed by now.
  for (
    let day = Math.max(Math.floor(fromMs / DAY_MS), Math.floor(nowMs / DAY_MS) - 40);
    day * DAY_MS <= nowMs;
    day += 1
  ) {
    const due = dueOn(rhythm, timeZone, day).find((moment) => moment > fromMs);
    if (due !== undefined) return due;
  }
  return Infinity;
}

/** How much of the time between was not quiet, as far as it is not more than `mostMs`. */
export function loudMs({ quiet, timeZone }: SimPolicy, fromMs: number, toMs: number, mostMs: number): number {
  const stepMs = 15 * MINUTE_MS;
  let loud = 0;
  for (let at = fromMs; at < toMs && loud <= mostMs; at += stepMs) if (!isQuiet(quiet, timeZone, at)) loud += stepMs;
  return loud;
}

import type { Circumstances } from './circumstances.js';
import { isoTime } from './history.js';
import { isQuiet, dueOn } from './local-clock.js';
import { GIVEN_UP, hours, type Model, type ModelMachine } from './model.js';
import type { SimPolicy } from './sim-policies.js';
import type { Verdict } from './verdict.js';
import type { WorldClock } from './world-clock.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** So long after it could be, it is begun: others of its host come first, some of them slow, and what fails is tried again. */
const BOUND_MS = 12 * HOUR_MS;
/** Where clocks were set, it is looked at again after an hour at the latest. */
const SETTLED_MS = 2 * HOUR_MS;
const SLACK_MS = 2 * MINUTE_MS;

export interface WatchParts {
  readonly clock: WorldClock;
  readonly circumstances: Circumstances;
  readonly verdict: Verdict;
  readonly model: Model;
}

/** What must have happened by now, looked at again and again. */
export class Watch {
  readonly #parts: WatchParts;
  /** The machines whose data loss was reported, and not that it is over. */
  readonly breaches = new Set<string>();

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  look(): void {
    if (this.#parts.circumstances.upSinceMs === undefined) return;
    for (const machine of this.#parts.model.machines.values()) {
      if (machine.host === undefined) continue;
      this.#lookForBegun(machine, machine.host);
      this.#lookForDataLoss(machine);
    }
  }

  /** What was due, and could be done for long, was begun. */
  #lookForBegun(machine: ModelMachine, host: string): void {
    const { circumstances, verdict, clock, model } = this.#parts;
    const hostMs = circumstances.hostSinceMs(host);
    if (machine.isRunning || hostMs === undefined || circumstances.isFull) return;
    const { upSinceMs = 0, setMs, roomSinceMs, policiesMs } = circumstances;
    const couldMs = Math.max(upSinceMs, hostMs, setMs, roomSinceMs, policiesMs, machine.protectedMs, machine.troubleMs);
    if (clock.passedMs - couldMs < BOUND_MS) return;
    const policy = model.policyOf(machine);
    const lastMs = model.lastRunMs(machine);
    // What was given up counts as a run: it waits for the next time.
    const ranMs = machine.troubles < GIVEN_UP ? lastMs : Math.max(lastMs ?? 0, gaveUpMs(clock, machine));
    const dueMs = nextDue(policy, ranMs, machine.plannedWallMs, clock.wallMs);
    const sinceWallMs = Math.max(dueMs, wallAt(clock, couldMs));
    const isLate = clock.wallMs - sinceWallMs > BOUND_MS && loudMs(policy, sinceWallMs, clock.wallMs) > BOUND_MS;
    const text = (): string => `due ${isoTime(dueMs)}, and not begun until ${isoTime(clock.wallMs)}`;
    verdict.check('made within its bound', !isLate, machine.name, text);
  }

  #lookForDataLoss(machine: ModelMachine): void {
    const { circumstances, verdict, clock, model } = this.#parts;
    const { upSinceMs = Infinity, setMs, policiesMs } = circumstances;
    const newest = machine.points.at(-1);
    const sinceMs = Math.max(upSinceMs, policiesMs, machine.protectedMs, newest?.madeMs ?? 0);
    if (clock.passedMs - setMs < SETTLED_MS || clock.passedMs - sinceMs < SLACK_MS) return;
    // Since when it is planned for is another moment where clocks were set.
    if (newest === undefined && setMs > machine.protectedMs) return;
    const wallAgeMs = clock.wallMs - (newest?.timeMs ?? machine.plannedWallMs);
    const leastMs = Math.max(wallAgeMs, newest === undefined ? 0 : circumstances.certainMs - newest.certainMs);
    const mostMs = Math.max(wallAgeMs, newest === undefined ? 0 : clock.passedMs - newest.madeMs);
    const acceptableMs = model.policyOf(machine).dataLossHours * HOUR_MS;
    const isReported = this.breaches.has(machine.name);
    const mustBe = leastMs > acceptableMs + SLACK_MS;
    const mayBe = mostMs > acceptableMs - SLACK_MS;
    const text = (): string =>
      `${isReported ? 'reported' : 'not reported'}: its newest is ${hours(leastMs)} to ${hours(mostMs)} old, acceptable are ${hours(acceptableMs)}`;
    verdict.check('data loss watched', isReported ? mayBe : !mustBe, machine.name, text);
  }
}

/** When a machine was given up, as the wall clock showed it then, or would have shown it: which of them counts depends on how clocks were set. */
function gaveUpMs(clock: WorldClock, { troubleMs, troubleWallMs }: ModelMachine): number {
  return Math.max(wallAt(clock, troubleMs), troubleWallMs <= clock.wallMs ? troubleWallMs : -Infinity);
}

/** What the wall clock showed, or would have shown, at a moment of the world's time. */
function wallAt(clock: WorldClock, passedMs: number): number {
  return clock.wallMs - (clock.passedMs - passedMs);
}

/** The first time that a machine is due after its last run, or after it was planned for; Infinity if it is not due yet. */
function nextDue({ rhythm, timeZone }: SimPolicy, ranMs: number | undefined, plannedMs: number, nowMs: number): number {
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

/** How much of the time between was not quiet. */
function loudMs({ quiet, timeZone }: SimPolicy, fromMs: number, toMs: number): number {
  const stepMs = 15 * MINUTE_MS;
  let loud = 0;
  for (let at = fromMs; at < toMs && loud <= BOUND_MS; at += stepMs) if (!isQuiet(quiet, timeZone, at)) loud += stepMs;
  return loud;
}

import { JOB_KINDS, type JobKind } from '../../src/protocol/jobs-api.js';
import type { Circumstances } from './circumstances.js';
import { isoTime } from './history.js';
import type { Load } from './load.js';
import { hours, type Model } from './model.js';
import { GIVEN_UP, type ModelMachine, type Runs } from './model-machine.js';
import { lastRunMs, loudMs, nextDue, rhythmOf } from './timing.js';
import type { Invariant, Verdict } from './verdict.js';
import type { WorldClock } from './world-clock.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/**
 * So long after it could be, it is begun. Of shadow copies others of the host come first, some of them slow, and what fails is tried again; of
 * replications only the time counts in which the host bore one more.
 */
const BOUNDS: Readonly<Record<JobKind, { readonly invariant: Invariant; readonly mostMs: number }>> = {
  'shadow-copy': { invariant: 'made within its bound', mostMs: 12 * HOUR_MS },
  replicate: { invariant: 'replicated within its bound', mostMs: 2 * HOUR_MS },
};
/** Where clocks were set, it is looked at again after an hour at the latest. */
const SETTLED_MS = 2 * HOUR_MS;
const SLACK_MS = 2 * MINUTE_MS;

export interface WatchParts {
  readonly clock: WorldClock;
  readonly circumstances: Circumstances;
  readonly verdict: Verdict;
  readonly model: Model;
  readonly load: Load;
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
      const { host } = machine;
      if (host === undefined) continue;
      for (const kind of JOB_KINDS) this.#lookForBegun(machine, host, kind);
      this.#lookForDataLoss(machine);
    }
  }

  /** What was due, and could be done for long, was begun. */
  #lookForBegun(machine: ModelMachine, host: string, kind: JobKind): void {
    const { circumstances, verdict, clock, model, load } = this.#parts;
    const hostMs = circumstances.hostSinceMs(host);
    if (machine.isRunning || hostMs === undefined || circumstances.isFull) return;
    const policy = model.policyOf(machine);
    const rhythm = rhythmOf(policy, kind);
    if (rhythm === undefined) return;
    const { invariant, mostMs } = BOUNDS[kind];
    const runs = machine.runsAs(kind);
    const { upSinceMs = 0, setMs, roomSinceMs, policiesMs } = circumstances;
    const troubleMs = Math.max(...runs.map((of) => of.troubleMs));
    const changedMs = Math.max(setMs, policiesMs, machine.protectedMs, troubleMs);
    const fullMs = kind === 'replicate' ? load.fullMs(host, clock.passedMs) : -Infinity;
    const couldMs = Math.max(upSinceMs, hostMs, roomSinceMs, changedMs, fullMs);
    if (clock.passedMs - couldMs < mostMs) return;
    const lastMs = lastRunMs(machine, kind, clock.wallMs);
    // What was given up counts as a run: it waits for the next time.
    const gaveUp = runs.filter(({ troubles }) => troubles >= GIVEN_UP).map((of) => gaveUpMs(clock, setMs, of));
    const ranMs = gaveUp.length === 0 ? lastMs : Math.max(lastMs ?? 0, ...gaveUp);
    const dueMs = nextDue(rhythm, policy.timeZone, ranMs, machine.plannedWallMs, clock.wallMs);
    const sinceWallMs = Math.max(dueMs, wallAt(clock, couldMs));
    const isLate = clock.wallMs - sinceWallMs > mostMs && loudMs(policy, sinceWallMs, clock.wallMs, mostMs) > mostMs;
    const text = (): string => `due ${isoTime(dueMs)}, and not begun until ${isoTime(clock.wallMs)}`;
    verdict.check(invariant, !isLate, machine.name, text);
  }

  #lookForDataLoss(machine: ModelMachine): void {
    const { circumstances, verdict, clock, model } = this.#parts;
    const { upSinceMs = Infinity, setMs, policiesMs } = circumstances;
    const { newest } = machine;
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

/**
 * When a machine was given up, as the wall clock showed it then, or would have shown it: which of them counts depends on how clocks were set. What would have
 * been due before they were set was never due: no clock has shown that time.
 */
function gaveUpMs(clock: WorldClock, setMs: number, { troubleMs, troubleWallMs }: Runs): number {
  const shownMs = wallAt(clock, Math.max(troubleMs, setMs));
  return Math.max(shownMs, troubleWallMs <= clock.wallMs ? troubleWallMs : -Infinity);
}

/** What the wall clock showed, or would have shown, at a moment of the world's time. */
function wallAt(clock: WorldClock, passedMs: number): number {
  return clock.wallMs - (clock.passedMs - passedMs);
}

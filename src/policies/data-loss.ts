/** `late`: more than three quarters of what is acceptable; `breach`: more than that. */
export const DATA_LOSS_STATES = ['ok', 'late', 'breach'] as const;
export type DataLossState = (typeof DATA_LOSS_STATES)[number];

/** Of what is acceptable: older than that, the newest shadow copy is late. */
const LATE = 0.75;

/** The newest that there is of a machine: its replica, or its newest shadow copy. */
export interface NewestReplica {
  /** The moment that it shows, by the wall clock of then. */
  readonly timeMs: number;
  /** How much time has certainly passed since it was stored, by a clock that nobody sets; absent where nobody knows. */
  readonly leastAgeMs?: number;
}

/** What a machine's data loss is judged by. */
export interface Replication {
  /** Absent if the machine never had one. */
  readonly newest?: NewestReplica;
  /** Since when it is planned for; absent if it never was. */
  readonly sinceMs?: number;
  /** What is acceptable. */
  readonly dataLossMs: number;
}

/** How much of a machine's work would be lost if it were lost now. */
export interface DataLoss {
  /** Absent if nobody knows since when: it has no replica, and nothing is planned to make one. */
  readonly ageMs?: number;
  readonly acceptableMs: number;
  readonly state: DataLossState;
  /** In how long it is a breach, if nothing happens; absent if it is one. */
  readonly breachInMs?: number;
}

/**
 * Judge the age of what is newest of a machine. A machine that never had one counts from when it was planned for.
 *
 * The age is the longer one of what the wall clock says and of what has certainly passed: where the wall clock was set back, a replica lies
 * in the future, and would be new until that comes. Where it was set forward, replicas are old until there is another one: that is said
 * too early rather than too late.
 */
export function dataLossOf({ newest, sinceMs, dataLossMs }: Replication, nowMs: number): DataLoss {
  const acceptableMs = dataLossMs;
  const fromMs = newest?.timeMs ?? sinceMs;
  if (fromMs === undefined) return { acceptableMs, state: 'breach' };
  const ageMs = ageOf({ ...newest, timeMs: fromMs }, nowMs);
  if (ageMs > acceptableMs) return { ageMs, acceptableMs, state: 'breach' };
  const state = ageMs > acceptableMs * LATE ? 'late' : 'ok';
  return { ageMs, acceptableMs, state, breachInMs: acceptableMs - ageMs + 1 };
}

/** As {@link dataLossOf} counts it, in milliseconds. */
export function ageOf({ timeMs, leastAgeMs = 0 }: NewestReplica, nowMs: number): number {
  return Math.max(0, nowMs - timeMs, leastAgeMs);
}

/** How much of what is acceptable is used up, for an order: from 0 on; Infinity where nobody knows. */
export function usedUp({ ageMs, acceptableMs }: DataLoss): number {
  return ageMs === undefined ? Infinity : ageMs / Math.max(1, acceptableMs);
}

import { ageOf, dataLossOf, usedUp, type DataLoss } from '../policies/data-loss.js';
import type { JobState } from '../protocol/jobs-api.js';
import type { FleetStatus, MachineStatus } from '../protocol/server-api.js';
import { isoTime, type Job } from './job.js';
import { planOf } from './report.js';
import type { Scheduler } from './scheduler.js';
import type { Newest, SchedulerParts } from './scheduler-parts.js';

/** A machine that is watched. */
export interface WatchedMachine extends DataLoss {
  readonly machine: string;
  readonly host: string;
  /** The newest that there is: its replica, or its newest shadow copy. It is what is judged. */
  readonly newest?: Newest;
  readonly shadowCopy?: Newest;
  readonly shadowCopyAgeMs?: number;
  /** Since when it is planned for. */
  readonly sinceMs?: number;
}

/**
 * The age of what is newest of each machine, its replica or its newest shadow copy, against what its policy accepts; the worst is first.
 * @param only of this one
 * @throws {UmbraError} STORE_IN_USE
 */
export function watchedMachines(scheduler: Scheduler, parts: SchedulerParts, only?: string): readonly WatchedMachine[] {
  const nowMs = parts.clock.now();
  const meant = parts.machines().filter(({ name }) => only === undefined || name === only);
  const machines = meant.map(({ name, host }): WatchedMachine => {
    const newest = parts.upToDate(name);
    const shadowCopy = parts.latest(name);
    const sinceMs = sinceOf(scheduler, name, nowMs);
    const known = { ...(newest && { newest }), ...(sinceMs === undefined ? {} : { sinceMs }) };
    const also = shadowCopy && { shadowCopy, shadowCopyAgeMs: ageOf(shadowCopy, nowMs) };
    return { machine: name, host, ...known, ...also, ...dataLossOf({ ...known, ...parts.policyOf(name) }, nowMs) };
  });
  return machines.sort((a, b) => compare(usedUp(b), usedUp(a)) || compare(a.machine, b.machine));
}

/** The same, with when the next shadow copy is due, and what is known why there is none. @throws {UmbraError} STORE_IN_USE */
export function fleetStatus(
  scheduler: Scheduler,
  parts: SchedulerParts,
  isConnected: (host: string) => boolean,
): FleetStatus {
  const { planned, isScheduling } = planOf(scheduler, parts);
  const nowMs = parts.clock.now();
  // What comes first is first.
  const nextAt = new Map(planned.toReversed().map(({ machine, at }) => [machine, at]));
  const machines = watchedMachines(scheduler, parts).map((watched): MachineStatus => {
    const { machine, host, newest, shadowCopy, shadowCopyAgeMs, sinceMs, state, ageMs, acceptableMs } = watched;
    const next = nextAt.get(machine);
    const job = tellingJob(scheduler, machine, { newest, shadowCopy });
    return {
      machine,
      host,
      state,
      acceptableSeconds: acceptableMs / 1000,
      isConnected: isConnected(host),
      ...(ageMs === undefined ? {} : { ageSeconds: ageMs / 1000 }),
      ...(newest && { replica: { time: isoTime(newest.timeMs), ageSeconds: ageOf(newest, nowMs) / 1000 } }),
      ...(shadowCopy && { shadowCopy: shadowCopy.name, time: isoTime(shadowCopy.timeMs) }),
      ...(shadowCopyAgeMs === undefined ? {} : { shadowCopyAgeSeconds: shadowCopyAgeMs / 1000 }),
      ...(sinceMs === undefined ? {} : { plannedSince: isoTime(sinceMs) }),
      ...(next === undefined ? {} : { nextAt: next }),
      ...(job && { job }),
    };
  });
  return { asOf: isoTime(nowMs), machines, isScheduling };
}

/** One that was protected just now is planned for in a moment. */
function sinceOf({ book, isScheduling }: Scheduler, machine: string, nowMs: number): number | undefined {
  return book.plannedSince(machine) ?? (isScheduling ? nowMs : undefined);
}

/** The job that says why there is nothing newer: the one that has not ended, or the last one of a kind that made none, and nobody has since. */
function tellingJob(
  scheduler: Scheduler,
  machine: string,
  { newest, shadowCopy }: { readonly newest: Newest | undefined; readonly shadowCopy: Newest | undefined },
): MachineStatus['job'] {
  const open = scheduler.book.open(machine);
  // One that ran in a server that died waits.
  if (open?.state === 'running' && !scheduler.isRunning(machine)) return told(open, 'retrying');
  if (open !== undefined) return told(open, open.state);
  const kinds = [
    ['shadow-copy', shadowCopy],
    ['replicate', newest],
  ] as const;
  for (const [kind, made] of kinds) {
    const last = scheduler.book.last(machine, kind);
    if (last === undefined || last.state === 'done') continue;
    if (made === undefined || made.timeMs <= (last.endedMs ?? last.dueMs)) return told(last, last.state);
  }
  return undefined;
}

function told({ id, error }: Job, state: JobState): MachineStatus['job'] {
  return { id, state, ...(error && { error }) };
}

function compare<T extends number | string>(a: T, b: T): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

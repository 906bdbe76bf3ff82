import { durationText } from '../common/durations.js';
import type { Rhythm } from '../policies/policy.js';
import type {
  JobDetails,
  JobInfo,
  JobKind,
  JobsRequest,
  JobsResult,
  PlannedRun,
  ScheduleResult,
} from '../protocol/jobs-api.js';
import { choose, MOST_AT_ONCE, MOST_OF_HOST } from './choose.js';
import { isoTime, jobDetails, jobInfo, type Job } from './job.js';
import type { Moments } from './moments.js';
import { INTERRUPTED } from './outcome.js';
import type { Scheduler } from './scheduler.js';
import type { PlannedMachine, SchedulerParts } from './scheduler-parts.js';

/** Jobs that have ended are shown up to this number, unless another one is asked for. */
const USUAL_LIMIT = 100;
const ORDER = ['running', 'retrying', 'waiting'] as const;

/** The jobs there are, as they are told. */
export function listJobs(
  scheduler: Scheduler,
  { machine, failed = false, limit = USUAL_LIMIT }: JobsRequest,
): JobsResult {
  const { book, isScheduling } = scheduler;
  const wanted = (job: Job): boolean =>
    (machine === undefined || job.machine === machine) && (!failed || job.state === 'failed');
  const rank = ({ state }: Job): number => ORDER.findIndex((other) => other === state);
  const open = book
    .allOpen()
    .map((job) => asItIs(scheduler, job))
    .filter(wanted)
    .sort((a, b) => rank(a) - rank(b) || a.readyMs - b.readyMs || a.id - b.id);
  const ended = book.allEnded().filter(wanted).slice(0, limit);
  return { jobs: [...open, ...ended].map((job) => withProgress(scheduler, jobInfo(job))), isScheduling };
}

/** A job with its log. @throws {UmbraError} NOT_FOUND, STORE_* */
export async function describeJob(scheduler: Scheduler, id: number): Promise<JobDetails> {
  const details = jobDetails(asItIs(scheduler, await scheduler.book.find(id)));
  return { ...details, ...withProgress(scheduler, details) };
}

/**
 * What is done next for each machine, of each kind, and why then; what comes first is first.
 * @param parts those of the scheduler; with others' policies it is what would be if they held
 */
export function planOf(scheduler: Scheduler, parts: SchedulerParts): ScheduleResult {
  const moments = scheduler.moments.with(parts);
  const nowMs = parts.clock.now();
  const turns = new Set(turnsOf(scheduler, moments, parts, nowMs));
  const known: Known = { scheduler, parts, moments, nowMs, turns };
  const planned = parts.machines().flatMap((machine) => runsOf(machine, known));
  planned.sort((a, b) => a.atMs - b.atMs || (a.machine < b.machine ? -1 : 1));
  return { planned: planned.map(({ atMs: _atMs, ...run }) => run), isScheduling: scheduler.isScheduling };
}

interface Known {
  readonly scheduler: Scheduler;
  readonly parts: SchedulerParts;
  readonly moments: Moments;
  readonly nowMs: number;
  /** The numbers of the jobs that would begin now. */
  readonly turns: ReadonlySet<number>;
}

/** The next run of a machine of each kind that its policy has. A shadow copy is a replication, too: one that comes first is no other. */
function runsOf(machine: PlannedMachine, known: Known): (PlannedRun & { readonly atMs: number })[] {
  const { scheduler, parts } = known;
  const open = scheduler.book.open(machine.name);
  const job = open && asItIs(scheduler, open);
  const { shadowCopies, replicate } = parts.policyOf(machine.name);
  const jobOf = (kind: JobKind): Job | undefined => (job?.kind === kind ? job : undefined);
  const runs = [runOf(machine, 'shadow-copy', shadowCopies, jobOf('shadow-copy'), known)];
  const replication = replicate && runOf(machine, 'replicate', replicate, jobOf('replicate'), known);
  if (replication !== undefined && job?.kind !== 'shadow-copy') runs.push(replication);
  return runs;
}

function runOf(
  { name, host }: PlannedMachine,
  kind: JobKind,
  its: Rhythm,
  job: Job | undefined,
  { parts, moments, nowMs, turns }: Known,
): PlannedRun & { readonly atMs: number } {
  const rhythm = describeRhythm(its, parts.policyOf(name).timeZone);
  const base = { machine: name, host, kind, ...(job === undefined ? {} : { job: job.id }) } as const;
  const fromMs = job?.readyMs ?? moments.dueMs(name, kind, nowMs);
  const atMs =
    job?.state === 'running'
      ? (job.beganMs ?? nowMs)
      : moments.readyMs({ machine: name, host, readyMs: fromMs }, job === undefined ? fromMs : nowMs);
  const held = heldUp(job, { fromMs, atMs, nowMs, isItsTurn: turns.has(job?.id ?? 0) });
  return {
    ...base,
    ...(Number.isFinite(atMs) ? { at: isoTime(atMs) } : {}),
    reason: `${parts.policyNameOf(name)}: ${rhythm}${held}`,
    atMs,
  };
}

/** The numbers of the jobs that would begin now. */
function turnsOf(scheduler: Scheduler, moments: Moments, parts: SchedulerParts, nowMs: number): number[] {
  const open = scheduler.book.allOpen();
  const running = open.filter((job) => scheduler.isRunning(job.machine));
  const ofHost = new Map<string, number>();
  for (const { host } of running) ofHost.set(host, (ofHost.get(host) ?? 0) + 1);
  const ready = open.filter((job) => !running.includes(job) && moments.readyMs(job, nowMs) <= nowMs);
  const mostOf = (host: string): number => parts.limitsOf(host).concurrent ?? MOST_OF_HOST;
  return choose(ready, { ofHost, all: running.length }, mostOf).map(({ id }) => id);
}

interface Times {
  readonly fromMs: number;
  readonly atMs: number;
  readonly nowMs: number;
  readonly isItsTurn: boolean;
}

function heldUp(job: Job | undefined, { fromMs, atMs, nowMs, isItsTurn }: Times): string {
  if (job?.state === 'running') return '; it runs';
  if (atMs === Infinity) return fromMs === Infinity ? '; never' : '; the quiet windows never end';
  if (job?.state === 'retrying') return `; tried again after ${job.error?.code ?? 'a failure'}`;
  if (atMs > fromMs) return '; then its quiet window ends';
  if (job === undefined || atMs > nowMs || isItsTurn) return '';
  return `; waits for its turn: ${MOST_AT_ONCE} run at a time, and as many of its host as that bears`;
}

function describeRhythm(rhythm: Rhythm, timeZone: string): string {
  if (rhythm.kind === 'calendar') return `at "${rhythm.cron.join('" and "')}" in ${timeZone}`;
  return `every ${durationText(rhythm.everyMs)}`;
}

/** A job that no attempt runs for was running in a server that died. */
function asItIs(scheduler: Scheduler, job: Job): Job {
  if (job.state !== 'running' || scheduler.isRunning(job.machine)) return job;
  return { ...job, state: 'retrying', error: { code: INTERRUPTED.code, message: INTERRUPTED.message } };
}

function withProgress<T extends JobInfo>(scheduler: Scheduler, job: T): T {
  const progress = job.state === 'running' ? scheduler.progressOf(job.machine) : undefined;
  return progress === undefined ? job : { ...job, progress };
}

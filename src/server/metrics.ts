import type { Clock } from '../common/clock.js';
import type { StatusResult } from '../protocol/server-api.js';
import type { WatchedMachine } from '../scheduler/fleet.js';
import type { StoreFigures } from '../store/figures.js';
import { alertFamilies } from './alert-metrics.js';
import type { AlertFigures } from './alerting.js';
import type { Claim, OperationKind } from './conflicts.js';
import { dataLossFamilies } from './data-loss-metrics.js';
import { counter, familiesText, gauge, label, type Family } from './metric-family.js';
import type { SchedulingFigures } from './planned-work.js';
import type { ScrubResult } from '../protocol/upkeep-api.js';
import { scrubFamilies, storeFamilies } from './store-metrics.js';

/** How a job ended. */
export type JobOutcome = 'done' | 'failed' | 'cancelled';

/** What is asked for when somebody wants the figures. */
export interface Gauges {
  readonly jobs: StatusResult['jobs'];
  readonly mounts: number;
  /** Of the HTTPS port; absent without one. */
  readonly connections?: { readonly open: number; readonly refused: number };
  /** Tokens that were wrong. */
  readonly refusedTokens: number;
  /** Agents that listen for what they are to do. */
  readonly agents: number;
  /** Absent in a server that does nothing by itself. */
  readonly scheduling?: SchedulingFigures;
  /** The protected machines, the worst first; absent while they are not known. */
  readonly watched?: readonly WatchedMachine[];
  /** How far reading everything again is; absent while that is not known. */
  readonly scrub?: ScrubResult;
  /** Absent while the store is not open. */
  readonly alerts?: AlertFigures;
  readonly store?: StoreFigures;
}

/** The content type of the text format (Prometheus, exposition formats, 0.0.4). */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** So many machines' last backups are remembered. */
const MOST_MACHINES = 4096;

/** What a server has done since it started, as Prometheus reads it. */
export class Metrics {
  readonly #startedMs: number;
  readonly #ended = new Map<string, number>();
  readonly #seconds = new Map<OperationKind, number>();
  /** How the last backup of each machine ended, and when; those that ended last are last. */
  readonly #backups = new Map<string, { readonly isDone: boolean; readonly endedMs: number }>();
  readonly #clock: Clock;
  #ingestedBytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.now();
  }

  jobEnded({ kind, machine }: Claim, outcome: JobOutcome, seconds: number): void {
    const key = `kind="${kind}",outcome="${outcome}"`;
    this.#ended.set(key, (this.#ended.get(key) ?? 0) + 1);
    this.#seconds.set(kind, (this.#seconds.get(kind) ?? 0) + seconds);
    if (machine !== undefined) this.#backupEnded(machine, outcome === 'done');
  }

  #backupEnded(machine: string, isDone: boolean): void {
    this.#backups.delete(machine);
    this.#backups.set(machine, { isDone, endedMs: this.#clock.now() });
    const [oldest] = this.#backups.keys();
    if (this.#backups.size > MOST_MACHINES && oldest !== undefined) this.#backups.delete(oldest);
  }

  /** Bytes of volumes that the store did not have came in. */
  ingested(bytes: number): void {
    this.#ingestedBytes += bytes;
  }

  /** The text of all figures. */
  text({
    jobs,
    mounts,
    connections,
    refusedTokens,
    agents,
    store,
    scheduling,
    watched,
    alerts,
    scrub,
  }: Gauges): string {
    const running = new Map<string, number>();
    for (const { kind } of jobs) running.set(kind, (running.get(kind) ?? 0) + 1);
    const backups = [...this.#backups];
    const families: readonly Family[] = [
      gauge('umbra_jobs_running', 'Jobs that run now.', labelled(running)),
      counter('umbra_jobs_total', 'Jobs that ended, by how.', [...this.#ended]),
      counter('umbra_job_seconds_total', 'Time that ended jobs took.', labelled(this.#seconds)),
      counter('umbra_ingested_bytes_total', 'Bytes of new chunks that backups stored.', [['', this.#ingestedBytes]]),
      gauge(
        'umbra_backup_last_success',
        'Whether the last backup of a machine succeeded, since the server started.',
        backups.map(([machine, { isDone }]) => [label('machine', machine), isDone ? 1 : 0]),
      ),
      gauge(
        'umbra_backup_last_end_timestamp_seconds',
        'When the last backup of a machine ended, however it did, in seconds since 1970.',
        backups.map(([machine, { endedMs }]) => [label('machine', machine), endedMs / 1000]),
      ),
      ...(scheduling === undefined ? [] : schedulingFamilies(scheduling)),
      ...(alerts === undefined ? [] : alertFamilies(alerts)),
      ...(watched === undefined ? [] : dataLossFamilies(watched)),
      ...(scrub === undefined ? [] : scrubFamilies(scrub)),
      ...(store === undefined ? [] : storeFamilies(store, this.#clock.now())),
      gauge('umbra_agents_connected', 'Agents that are connected.', [['', agents]]),
      gauge('umbra_mounts', 'Mounts of this server.', [['', mounts]]),
      gauge('umbra_connections', 'Connections to the HTTPS port.', connections ? [['', connections.open]] : []),
      counter(
        'umbra_connections_refused_total',
        'Connections closed because there were too many.',
        connections ? [['', connections.refused]] : [],
      ),
      counter('umbra_tokens_refused_total', 'Requests with a wrong token.', [['', refusedTokens]]),
      gauge('process_start_time_seconds', 'When the process started, in seconds since 1970.', [
        ['', this.#startedMs / 1000],
      ]),
      gauge('process_resident_memory_bytes', 'Resident memory.', [['', process.memoryUsage.rss()]]),
    ];
    return familiesText(families);
  }
}

function schedulingFamilies({ open, lastDone }: SchedulingFigures): readonly Family[] {
  return [
    gauge(
      'umbra_scheduled_jobs',
      'Jobs of the scheduler that have not ended, by their state.',
      [...open].map(([state, number]) => [label('state', state), number]),
    ),
    gauge(
      'umbra_scheduled_last_success_timestamp_seconds',
      'When the last scheduled shadow copy of a machine that succeeded was begun, in seconds since 1970.',
      lastDone.slice(0, MOST_MACHINES).map(({ machine, beganMs }) => [label('machine', machine), beganMs / 1000]),
    ),
  ];
}

function labelled(byKind: ReadonlyMap<string, number>): Family['samples'] {
  return [...byKind].map(([kind, value]) => [label('kind', kind), value] as const);
}

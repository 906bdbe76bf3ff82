import type { Clock } from '../common/clock.js';
import type { StatusResult } from '../protocol/api.js';
import type { Claim, OperationKind } from './conflicts.js';

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
}

interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly samples: readonly (readonly [labels: string, value: number])[];
}

/** The content type of the text format (Prometheus, exposition formats, 0.0.4). */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** What a server has done since it started, as Prometheus reads it. */
export class Metrics {
  readonly #startedMs: number;
  readonly #ended = new Map<string, number>();
  readonly #seconds = new Map<OperationKind, number>();
  #ingestedBytes = 0;

  constructor(clock: Clock) {
    this.#startedMs = clock.now();
  }

  jobEnded({ kind }: Claim, outcome: JobOutcome, seconds: number): void {
    const key = `kind="${kind}",outcome="${outcome}"`;
    this.#ended.set(key, (this.#ended.get(key) ?? 0) + 1);
    this.#seconds.set(kind, (this.#seconds.get(kind) ?? 0) + seconds);
  }

  /** Bytes of volumes that the store did not have came in. */
  ingested(bytes: number): void {
    this.#ingestedBytes += bytes;
  }

  /** The text of all figures. */
  text({ jobs, mounts, connections, refusedTokens }: Gauges): string {
    const running = new Map<string, number>();
    for (const { kind } of jobs) running.set(kind, (running.get(kind) ?? 0) + 1);
    const families: readonly Family[] = [
      gauge('umbra_jobs_running', 'Jobs that run now.', labelled(running)),
      counter('umbra_jobs_total', 'Jobs that ended, by how.', [...this.#ended]),
      counter('umbra_job_seconds_total', 'Time that ended jobs took.', labelled(this.#seconds)),
      counter('umbra_ingested_bytes_total', 'Bytes of new chunks that backups stored.', [['', this.#ingestedBytes]]),
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
    return families
      .filter(({ samples }) => samples.length > 0)
      .map(familyText)
      .join('');
  }
}

function gauge(name: string, help: string, samples: Family['samples']): Family {
  return { name, type: 'gauge', help, samples };
}

function counter(name: string, help: string, samples: Family['samples']): Family {
  return { name, type: 'counter', help, samples };
}

function labelled(byKind: ReadonlyMap<string, number>): Family['samples'] {
  return [...byKind].map(([kind, value]) => [`kind="${kind}"`, value] as const);
}

function familyText({ name, type, help, samples }: Family): string {
  const lines = samples.map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

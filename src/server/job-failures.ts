import type { AlertBoard } from '../alerts/alert.js';
import { JOB_KINDS, type JobKind } from '../protocol/jobs-api.js';
import type { Job } from '../scheduler/job.js';

/** What is known of the jobs of machines. */
export interface LastJobs {
  /** The machines that are planned for, or have a job. */
  readonly machines: () => Iterable<string>;
  /** The last job of a machine, of a kind, that has ended. */
  readonly last: (machine: string, kind: JobKind) => Job | undefined;
  /** The moment that the newest shadow copy of a machine shows; for replications, the newest that there is. */
  readonly newestMs: (machine: string, kind: JobKind) => number | undefined;
}

/**
 * Tells of machines whose last job has failed, after all its tries, until one is done, or somebody makes a shadow copy. It goes by what is
 * so, not by what happens, so that nothing is lost when a server dies.
 */
export function tellJobFailures({ machines, last, newestMs }: LastJobs, alerts: AlertBoard): void {
  const failed = new Set<string>();
  for (const machine of machines()) {
    for (const kind of JOB_KINDS) {
      const job = last(machine, kind);
      // One that was cancelled has neither failed nor been done: what was so before is so.
      if (job?.state === 'cancelled') failed.add(machine);
      if (job?.state !== 'failed' || (newestMs(machine, kind) ?? 0) > (job.endedMs ?? job.dueMs)) continue;
      failed.add(machine);
      begin(machine, job, alerts);
      // There is one alert of a machine: that no shadow copy is made is the worse.
      break;
    }
  }
  for (const machine of alerts.subjects('job-failed')) {
    if (!failed.has(machine)) alerts.end('job-failed', machine, `The jobs of ${machine} do not fail any more.`);
  }
}

function begin(machine: string, { id, kind, host, attempts, error }: Job, alerts: AlertBoard): void {
  const { code = 'INTERNAL', message = 'nobody knows why', hint } = error ?? {};
  alerts.begin({
    kind: 'job-failed',
    subject: machine,
    severity: 'warning',
    text: `Job ${id} made no good ${kind === 'replicate' ? 'replica' : 'shadow copy'} of ${machine}: ${code}: ${message}`,
    advice: `${hint === undefined ? '' : `${hint} `}"umbra job ${id}" shows all of it.`,
    facts: { job: id, host, attempts, code },
  });
}

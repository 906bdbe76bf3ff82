import type { Job } from './job.js';

/** Jobs at a time: of one host, unless its limits say something else, and in all. */
export const MOST_OF_HOST = 2;
export const MOST_AT_ONCE = 8;

export interface Load {
  /** Jobs that run, by host. */
  readonly ofHost: ReadonlyMap<string, number>;
  /** How many run in all. */
  readonly all: number;
}

/**
 * Which of these jobs, all of which may begin now, are begun: those that have been ready for longest first, as many as the limits let. A job
 * that failed is ready when its back-off is over and stands behind those that were ready before, and a host that bears no more keeps nobody of
 * another waiting.
 */
export function choose(ready: readonly Job[], load: Load, mostOf: (host: string) => number): readonly Job[] {
  const ofHost = new Map(load.ofHost);
  let all = load.all;
  const chosen: Job[] = [];
  for (const job of ready.toSorted((a, b) => a.readyMs - b.readyMs || a.dueMs - b.dueMs || a.id - b.id)) {
    if (all >= MOST_AT_ONCE) break;
    const running = ofHost.get(job.host) ?? 0;
    if (running >= mostOf(job.host)) continue;
    ofHost.set(job.host, running + 1);
    all += 1;
    chosen.push(job);
  }
  return chosen;
}

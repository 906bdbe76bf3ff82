import { storedJobs } from '../scheduler/job-store.js';
import type { SchedulerParts } from '../scheduler/scheduler-parts.js';
import { Machines } from '../store/machines.js';
import type { Store } from '../store/store.js';

/** What a scheduler goes by in a store. @param store asked for each time: it may be rebuilt */
export function planningOf(store: () => Store): Pick<SchedulerParts, 'machines' | 'latest' | 'jobs'> {
  const machines = new Machines(store);
  return {
    machines: () => machines.list(),
    latest: (machine) => store().catalog.latest(machine),
    jobs: storedJobs(() => store().jobs),
  };
}

import type { Come } from './hurry.js';
import type { Job } from './job.js';
import type { PlannedMachine } from './scheduler-parts.js';

interface Hurry {
  readonly isMeant: (machine: PlannedMachine) => boolean;
  readonly come: Come;
}

/** What has come, and for which machines: kept by its name until it is noted what is done now. */
export class Hurries {
  readonly #all = new Map<string, Hurry>();

  /** @param what has come: of each the last time counts */
  add(what: string, hurry: Hurry): void {
    this.#all.set(what, hurry);
  }

  /**
   * Note what is done now; what can't be noted stays to be done.
   * @param jobsOf what is done of a machine
   */
  async noteAll(
    machines: readonly PlannedMachine[],
    jobsOf: (machine: PlannedMachine, come: Come) => readonly Job[],
    note: (jobs: readonly Job[]) => Promise<void>,
  ): Promise<void> {
    for (const [what, hurry] of [...this.#all]) {
      const jobs = machines.filter(hurry.isMeant).flatMap((machine) => jobsOf(machine, hurry.come));
      if (jobs.length > 0) await note(jobs);
      if (this.#all.get(what) === hurry) this.#all.delete(what);
    }
  }
}

import type { Clock } from '../common/clock.js';

/** @returns false when `work`, which does not fail, was not done in time */
export function within(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.after(limitMs, () => {
      resolve(false);
    });
    void work.then(() => {
      cancel();
      resolve(true);
    });
  });
}

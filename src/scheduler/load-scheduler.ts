import { loadOnce } from '../common/load-once.js';

/** The scheduler, and what tells of it: loaded when a server has begun to answer. */
export const loadScheduler = loadOnce(async () => {
  const [{ Scheduler }, report, fleet] = await Promise.all([
    import('./scheduler.js'),
    import('./report.js'),
    import('./fleet.js'),
  ]);
  return { Scheduler, report, fleet };
});

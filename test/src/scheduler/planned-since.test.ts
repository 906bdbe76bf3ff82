import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { DEFAULT_POLICY } from '../../../src/policies/default-policy.js';
import { watchedMachines } from '../../../src/scheduler/fleet.js';
import { ScheduleLab } from '../../kit/schedule-lab.js';

const HOUR_MS = 3_600_000;
const NOW_MS = Date.UTC(2026, 10, 29, 8);

void t.test(
  'a machine that is planned for since the future, as the clock was set back, is planned for anew',
  async (t) => {
    const options = {
      machines: [{ name: 'web', host: 'hv1' }],
      policies: { web: DEFAULT_POLICY },
      course: () => ({ takesMs: 1, error: new UmbraError('IMAGE_FORMAT', 'bad') }),
    };
    const before = new ScheduleLab({ ...options, startMs: NOW_MS + 1000 * HOUR_MS });
    await before.start();
    await before.stop();
    const lab = new ScheduleLab({ ...options, startMs: NOW_MS, meta: before.meta });
    const scheduler = await lab.start();
    t.equal(scheduler.book.plannedSince('web'), NOW_MS);
    await lab.run(25 * HOUR_MS);
    t.match(watchedMachines(scheduler, lab.parts), [{ machine: 'web', state: 'breach', ageMs: 25 * HOUR_MS }]);
    await lab.stop();
  },
);

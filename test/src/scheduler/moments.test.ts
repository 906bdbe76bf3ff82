import t from 'tap';
import { DEFAULT_POLICY } from '../../../src/policies/default-policy.js';
import type { Policy, Rhythm } from '../../../src/policies/policy.js';
import { JobBook } from '../../../src/scheduler/job-book.js';
import { storedJobs } from '../../../src/scheduler/job-store.js';
import type { Job } from '../../../src/scheduler/job.js';
import { Moments } from '../../../src/scheduler/moments.js';
import { JobRecords } from '../../../src/store/job-records.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { Random, testSeed } from '../../kit/random.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.parse('2027-06-07T09:00:00Z');

const NIGHTLY: Rhythm = { kind: 'calendar', cron: ['0 22 * * *'] };
const OFTEN: Rhythm = { kind: 'interval', everyMs: 5 * HOUR_MS };
const POLICIES: readonly Policy[] = [
  { ...DEFAULT_POLICY, shadowCopies: NIGHTLY },
  { ...DEFAULT_POLICY, shadowCopies: OFTEN },
  { ...DEFAULT_POLICY, shadowCopies: NIGHTLY, replicate: OFTEN },
];

async function openBook(): Promise<JobBook> {
  const records = new JobRecords(openMemoryKv());
  return await JobBook.open(storedJobs(() => records));
}

function job(random: Random, id: number, nowMs: number): Job {
  const state = random.chance(0.6) ? 'done' : random.chance(0.5) ? 'failed' : 'cancelled';
  const kind = random.chance(0.6) ? 'shadow-copy' : 'replicate';
  const beganMs = nowMs - random.below(2 * HOUR_MS);
  const about = { machine: 'web', host: 'hv1', dueMs: beganMs, readyMs: beganMs, attempts: 1, log: [] };
  return { ...about, id, kind, state, beganMs, endedMs: nowMs };
}

void t.test(
  'what is remembered is what would be found out anew, whatever happens and however clocks are set',
  async (t) => {
    const random = new Random(testSeed(t));
    const book = await openBook();
    let nowMs = START_MS;
    let policy = POLICIES[0] ?? DEFAULT_POLICY;
    let latestMs: number | undefined;
    let upToDateMs: number | undefined;
    let foundMs: number | undefined;
    const newest = (timeMs: number | undefined) => (timeMs === undefined ? undefined : { name: 'copy', timeMs });
    const parts = {
      policyOf: () => policy,
      latest: () => newest(latestMs),
      upToDate: () => newest(upToDateMs ?? latestMs),
      wasThere: () => true,
      damagedSince: () => foundMs,
    };
    const moments = new Moments(parts, book);
    const changes: readonly (() => Promise<void> | void)[] = [
      () => void (policy = POLICIES[random.below(POLICIES.length)] ?? policy),
      () => void (latestMs = random.chance(0.2) ? undefined : nowMs),
      () => void (upToDateMs = random.chance(0.5) ? undefined : nowMs),
      () => void (foundMs = random.chance(0.7) ? undefined : nowMs - random.below(DAY_MS)),
      () => void (nowMs += (random.chance(0.5) ? 1 : -1) * random.below(5 * DAY_MS)),
      () => book.write([], [{ machine: 'web', sinceMs: nowMs }]),
      () => book.unplan('web'),
      () => book.settle(job(random, book.highest + 1, nowMs)),
    ];
    const different: unknown[] = [];
    for (let step = 0; step < 1500; step += 1) {
      if (random.chance(0.3)) await changes[random.below(changes.length)]?.();
      else nowMs += random.below(random.chance(0.8) ? HOUR_MS : DAY_MS);
      const found = moments.next('web', nowMs);
      const anew = moments.with(parts).next('web', nowMs);
      if (found.kind !== anew.kind || found.dueMs !== anew.dueMs) different.push({ step, found, anew });
    }
    t.same(different, []);
  },
);

import t from 'tap';
import type { Test } from 'tap';
import type { LogFields } from '../../../../src/common/log.js';
import { silentLog } from '../../../../src/common/log.js';
import { DEFAULT_POLICY } from '../../../../src/policies/default-policy.js';
import { storedJobs } from '../../../../src/scheduler/job-store.js';
import type { StatusResult } from '../../../../src/protocol/server-api.js';
import { JobRecords } from '../../../../src/store/job-records.js';
import { openMemoryKv } from '../../../../src/store/memory-kv.js';
import { UmbraError } from '../../../../src/common/errors.js';
import { openFakeEngine } from '../../../kit/fake-engine.js';
import { startFakeServer } from '../../../kit/fake-store.js';
import { ask } from '../../../kit/api-client.js';
import { ManualClock } from '../../../kit/manual-clock.js';
import { parsePrometheus } from '../../../kit/prometheus.js';
import { runUmbra } from '../../../kit/run-umbra.js';

const HOUR_MS = 3_600_000;
const error = { code: 'IMAGE_FORMAT', message: 'bad \u001b[31m image' } as const;

interface Lab {
  readonly clock: ManualClock;
  readonly store: string;
  readonly ages: Map<string, number>;
  readonly state: { isRebuilt: boolean };
}

/** A server over machines with the ages of their newest shadow copies, in hours; `web` has failed since. Acceptable are 24 h. */
async function serve(t: Test, hours: Readonly<Record<string, number | undefined>>, more = {}): Promise<Lab> {
  const clock = new ManualClock();
  const nowMs = clock.now();
  const records = new JobRecords(openMemoryKv());
  const jobs = storedJobs(() => records);
  const times = { dueMs: nowMs, readyMs: nowMs, beganMs: nowMs, endedMs: nowMs } as const;
  const job = { host: 'hv1', kind: 'shadow-copy', state: 'failed', attempts: 1, log: [] } as const;
  await jobs.write({
    put: [
      { id: 4, machine: 'web', ...job, ...times, error },
      { id: 3, machine: 'late', ...job, ...times, endedMs: nowMs - 99 * HOUR_MS, error },
    ],
    plan: [{ machine: 'never', sinceMs: nowMs - HOUR_MS }],
  });
  const ages = new Map(Object.entries(hours).flatMap(([name, age]) => (age === undefined ? [] : [[name, age]])));
  const state = { isRebuilt: false };
  const machines = Object.keys(hours).map((name) => ({ name, host: 'hv1' }));
  const { store } = await startFakeServer(t, {
    clock,
    ...more,
    openEngine: async (options) => {
      const engine = await openFakeEngine(options);
      const newest = (machine: string) => {
        const age = ages.get(machine);
        return age === undefined ? undefined : { name: 'copy', timeMs: nowMs - age * HOUR_MS };
      };
      const planning = {
        ...engine.planning(),
        machines: () => {
          if (state.isRebuilt) throw new UmbraError('STORE_IN_USE', 'the store is rebuilt');
          return machines;
        },
        latest: newest,
        upToDate: newest,
        jobs,
        policyOf: () => DEFAULT_POLICY,
      };
      return Object.assign(engine, { planning: () => planning });
    },
  });
  // Those that take the last of their answers are waited for by this clock.
  t.teardown(() => {
    clock.advance(60_000);
  });
  return { clock, store, ages, state };
}

void t.test('the fleet, the worst first, with why not', async (t) => {
  const { store, state } = await serve(t, { fine: 1, late: 20, never: undefined, odd: undefined, web: 50 });
  const { code, stdout } = await runUmbra(['status'], store);
  t.equal(code, 0);
  const lines = stdout.split('\n');
  t.match(lines[2], /^machines: +2 in breach, 1 late, 2 ok; this server does nothing by itself/);
  t.same(
    lines.slice(3, 9).map((line) =>
      line
        .split(/ {2,}/)
        .slice(0, 7)
        .map((cell) => cell.trim()),
    ),
    [
      ['MACHINE', 'HOST', 'STATE', 'REPLICA', 'SHADOW COPY', 'ACCEPTABLE', 'NEXT'],
      ['odd', 'hv1', 'BREACH', 'unknown', '-', '1d', 'paused'],
      ['web', 'hv1', 'BREACH', '2 d 2 h', '2 d 2 h', '1d', 'paused'],
      ['late', 'hv1', 'late', '20 h 0 min', '20 h 0 min', '1d', 'paused'],
      ['fine', 'hv1', 'ok', '1 h 0 min', '1 h 0 min', '1d', 'paused'],
      ['never', 'hv1', 'ok', '1 h 0 min', '-', '1d', 'paused'],
    ],
    'a machine that never had one counts from when it was planned for',
  );
  t.match(lines[4], /no shadow copy yet; the agent of hv1 is not connected$/);
  t.match(lines[5], /IMAGE_FORMAT: bad \\x1b\[31m image \(umbra job 4\)$/);
  t.match(lines[6], /the agent of hv1 is not connected$/, 'a failure before the newest one says nothing');
  t.match(stdout, /\nnothing is mounted\nnothing runs\n$/);
  const { fleet } = JSON.parse((await runUmbra(['status', '--json'], store)).stdout) as StatusResult;
  t.match(fleet?.machines[1], {
    machine: 'web',
    ageSeconds: 180_000,
    acceptableSeconds: 86_400,
    job: { id: 4, error },
  });

  t.match(await runUmbra(['status', '--check'], store), {
    code: 14,
    stdout: 'BREACH: 2 in breach, 1 late, 2 ok; odd unknown of 1d, web 2 d 2 h of 1d, late 20 h 0 min of 1d\n',
  });
  const figures = parsePrometheus(String((await ask(store, 'GET', '/metrics')).body));
  t.equal(figures.get('umbra_data_loss_age_seconds')?.samples.get('machine="web"'), 180_000);
  t.equal(figures.get('umbra_data_loss_machines')?.samples.get('state="breach"'), 2);
  state.isRebuilt = true;
  t.match(await runUmbra(['status', '--check'], store), { code: 4 });
  t.match(await runUmbra(['status'], store), { code: 0, stdout: /nothing is mounted/ }, 'it says what else there is');
  t.notOk(parsePrometheus(String((await ask(store, 'GET', '/metrics')).body)).has('umbra_data_loss_machines'));
});

void t.test('as many as fit the screen, and how many more there are', async (t) => {
  const { store } = await serve(t, {
    bad: 30,
    ...Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`m${n}`, 1])),
  });
  const { stdout } = await runUmbra(['status'], store);
  t.equal(stdout.trimEnd().split('\n').length, 23);
  t.match(stdout, /\nbad +hv1 +BREACH [^]*\n25 more machines: 25 ok; --all shows all\nnothing is mounted/);
  t.equal((await runUmbra(['status', '--all'], store)).stdout.match(/ hv1 {2}/g)?.length, 41);
});

void t.test('no machine in breach is no alarm', async (t) => {
  const { store } = await serve(t, { fine: 1, late: 20 });
  t.match(await runUmbra(['status', '--check'], store), { code: 0, stdout: /^OK: 1 late, 1 ok; late 20 h/ });
});

void t.test('a server that schedules logs what is in breach, and when an operation has ended it', async (t) => {
  const said: string[] = [];
  const take = (message: string, fields?: LogFields): void => {
    if (message.startsWith('data loss')) said.push(`${message}: ${String(fields?.['machine'])}`);
  };
  const log = { ...silentLog, info: take, warn: take };
  const { store, ages } = await serve(t, { fine: 1, web: 50 }, { schedule: true, log });
  t.same(said, ['data loss beyond what is acceptable: web']);
  ages.set('web', 0);
  await ask(store, 'POST', '/v1/backup', { machine: 'web', images: [{ path: '/a' }], configs: [], reread: false });
  t.same(said.slice(1), ['data loss acceptable again: web']);
});

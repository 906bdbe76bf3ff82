import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { systemClock, type Clock } from '../../../../src/common/clock.js';
import type { Job } from '../../../../src/scheduler/job.js';
import { storedJobs } from '../../../../src/scheduler/job-store.js';
import type { StoreServer } from '../../../../src/server/store-server.js';
import { JobRecords } from '../../../../src/store/job-records.js';
import { openMemoryKv } from '../../../../src/store/memory-kv.js';
import { openFakeEngine } from '../../../kit/fake-engine.js';
import { startFakeServer } from '../../../kit/fake-store.js';
import { ask } from '../../../kit/api-client.js';
import { ManualClock } from '../../../kit/manual-clock.js';
import { parsePrometheus } from '../../../kit/prometheus.js';
import { temporaryDirectory } from '../../../kit/temporary.js';
import { runUmbra } from '../../../kit/run-umbra.js';

const AT_MS = Date.parse('2026-11-22T10:00:00Z');

function job(id: number, state: Job['state'], more: Partial<Job> = {}): Job {
  const times = { dueMs: AT_MS, readyMs: AT_MS, beganMs: AT_MS, endedMs: AT_MS + 90_000 + id } as const;
  const log = [{ timeMs: AT_MS, text: 'due' }];
  return { id, machine: `m${id}`, host: 'hv1', kind: 'shadow-copy', state, attempts: 1, ...times, log, ...more };
}

const unreachable = {
  code: 'AGENT_UNREACHABLE',
  message: 'the agent of hv1 is not connected',
  hint: 'Look there.',
} as const;
const { endedMs: _ended, beganMs: _began, ...waiting } = job(7, 'waiting', { attempts: 0, readyMs: AT_MS });

/** A server that does nothing by itself, with these jobs of one before it. */
async function serverWith(
  t: Test,
  schedule = false,
  clock: Clock = systemClock,
): Promise<{ store: string; server: StoreServer }> {
  const records = new JobRecords(openMemoryKv());
  const jobs = storedJobs(() => records);
  await jobs.write({
    put: [
      job(1, 'done', { shadowCopy: '2026-11-22T10-00-00Z', consistency: 'filesystem' }),
      job(2, 'failed', { error: unreachable, attempts: 6 }),
      job(3, 'cancelled'),
      job(4, 'failed', { error: { code: 'IMAGE_FORMAT', message: 'bad \u001b[31m image' } }),
      job(5, 'running', { endedMs: AT_MS }),
      job(6, 'retrying', { error: unreachable, readyMs: AT_MS + 60_000 }),
      waiting,
    ],
    plan: ['m5', 'm6', 'm7'].map((machine) => ({ machine, sinceMs: AT_MS })),
  });
  const machines = ['m5', 'm6', 'm7', 'm8'].map((name) => ({ name, host: 'hv1' }));
  return await startFakeServer(t, {
    schedule,
    clock,
    openEngine: async (options) => {
      const engine = await openFakeEngine(options);
      const planning = { ...engine.planning(), machines: () => machines, jobs };
      return Object.assign(engine, { planning: () => planning });
    },
  });
}

void t.test('jobs: what runs and waits first, then what has ended', async (t) => {
  const { store } = await serverWith(t);
  const { code, stdout } = await runUmbra(['jobs'], store);
  t.equal(code, 0);
  const lines = stdout.trimEnd().split('\n');
  t.match(lines[0], /does nothing by itself: "umbra serve" does/);
  t.same(
    lines.slice(2).map((line) => line.trim().split(/ {2,}/).slice(0, 4)),
    [
      ['5', 'm5', 'shadow-copy', 'retrying'],
      ['6', 'm6', 'shadow-copy', 'retrying'],
      ['7', 'm7', 'shadow-copy', 'waiting'],
      ['4', 'm4', 'shadow-copy', 'failed'],
      ['3', 'm3', 'shadow-copy', 'cancelled'],
      ['2', 'm2', 'shadow-copy', 'failed'],
      ['1', 'm1', 'shadow-copy', 'done'],
    ],
    'what ran in a server that died is tried again',
  );
  t.match(stdout, /failed .* 1 min 30 s {2}IMAGE_FORMAT: bad \\x1b\[31m image\n/);
  t.match(stdout, /done .* 1 min 30 s {2}2026-11-22T10-00-00Z\n/);
  const failed = JSON.parse((await runUmbra(['jobs', '--failed', '--limit', '1', '--json'], store)).stdout) as unknown;
  t.match(failed, { isScheduling: false, jobs: [{ id: 4, state: 'failed', error: { code: 'IMAGE_FORMAT' } }] });
  t.match(JSON.parse((await runUmbra(['jobs', '--machine', 'm1', '--json'], store)).stdout), { jobs: [{ id: 1 }] });
  t.match((await runUmbra(['jobs', '--machine', 'm9'], store)).stdout, /There are no jobs/);
  t.match(await runUmbra(['jobs', '--limit', 'x'], store), { code: 2 });
});

void t.test('jobs --next: when something is done next, and why then', async (t) => {
  const { store } = await serverWith(t);
  const { stdout } = await runUmbra(['jobs', '--next'], store);
  t.match(stdout, /m6 +hv1 +shadow-copy +.*every 4h; tried again after AGENT_UNREACHABLE \(job 6\)\n/);
  t.match(stdout, /m5 .*every 4h; tried again after SERVER_STOPPING \(job 5\)\n/);
  t.match(stdout, /m8 +hv1 +shadow-copy +\S+ \S+ \S+ +standard \(default\): every 4h\n/);
  const one = JSON.parse((await runUmbra(['jobs', '--next', '--machine', 'm7', '--json'], store)).stdout) as unknown;
  t.match(one, { isScheduling: false, planned: [{ machine: 'm7', job: 7, at: '2026-11-22T10:00:00.000Z' }] });
});

void t.test('jobs --next --policies: what it would be by others', async (t) => {
  const { store } = await serverWith(t);
  const file = join(temporaryDirectory(t), 'new.yaml');
  writeFileSync(
    file,
    'default: d\npolicies: { d: { shadowCopies: { every: 2h } } }\nmachines: { m8: { policy: d } }\n',
  );
  const { stdout } = await runUmbra(['jobs', '--next', '--policies', file], store);
  t.match(stdout, /m7 .*d \(default\): every 2h \(job 7\)\n/);
  t.match(stdout, /m8 .*d \(its own\): every 2h\n/);
  writeFileSync(file, 'default: e\npolicies: { d: {} }\n');
  t.match(await runUmbra(['jobs', '--next', '--policies', file], store), { code: 2, stderr: /new\.yaml:1/ });
  t.match(await runUmbra(['jobs', '--policies', file], store), {
    code: 2,
    stderr: /--policies needs --next\n.*umbra jobs --next/,
  });
});

void t.test('job: all about one, until it has ended, or no more', async (t) => {
  const { store } = await serverWith(t);
  const failed = await runUmbra(['job', '2'], store);
  t.equal(failed.code, 0);
  t.match(
    failed.stdout,
    /job: +2, shadow-copy of m2\nstate: +failed, attempt 6\n[^]*AGENT_UNREACHABLE: .*\n.*Look there\.\n/,
  );
  t.match(failed.stdout, /\n\S+ \S+ \S+ {2}due\n$/);
  const codes = [];
  for (const id of ['1', '2', '3', '4']) codes.push((await runUmbra(['job', id, '--follow'], store)).code);
  t.same(codes, [0, 11, 130, 7], 'as it ended');
  const following = runUmbra(['job', '7', '--follow'], store);
  const [, cancelled] = await Promise.all([following, runUmbra(['job', '7', '--cancel'], store)]);
  t.match(cancelled, { code: 0, stdout: 'job 7 is cancelled\n' });
  t.match(await following, { code: 130, stdout: / {2}cancelled\n.*job: +7/s });
  t.match(await runUmbra(['job', '7', '--cancel'], store), { code: 2, stderr: /job 7 has ended: it is cancelled/ });
  t.match(await runUmbra(['job', '8'], store), { code: 3, stderr: /there is no job 8/ });
  for (const id of ['x', '0', '-1', '1.5']) t.match(await runUmbra(['job', id], store), { code: 2 });
  t.match(await runUmbra(['job', '1', '--follow', '--cancel'], store), { code: 2 });
});

void t.test('a server that does things by itself has figures of it', async (t) => {
  const clock = new ManualClock();
  const { store, server } = await serverWith(t, true, clock);
  clock.advance(2 * 60_000);
  for (;;) {
    const { stdout } = await runUmbra(['jobs', '--machine', 'm8', '--json'], store);
    const { jobs } = JSON.parse(stdout) as { jobs: { state: string; error?: { code: string } }[] };
    // What is pretended to be a store has no content.
    if (jobs[0]?.state === 'failed') break;
  }
  t.match((await runUmbra(['jobs'], store)).stdout, /^ *JOB/);
  const figures = parsePrometheus(String((await ask(store, 'GET', '/metrics')).body));
  t.same(
    [...(figures.get('umbra_scheduled_jobs')?.samples.keys() ?? [])],
    ['waiting', 'running', 'retrying'].map(stateLabel),
  );
  // Those that take the last of their answers are waited for.
  await server.stop();
  clock.advance(60_000);
});

function stateLabel(state: string): string {
  return `state="${state}"`;
}

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { MachinesResult } from '../../../src/protocol/agents-api.js';
import type { ShadowCopyInfo } from '../../../src/protocol/api.js';
import type { JobsResult, ScheduleResult } from '../../../src/protocol/jobs-api.js';
import { startAgent, startAgentLab } from '../../kit/agent-lab.js';
import { systemClock } from '../../../src/common/clock.js';
import { ask, until } from '../../kit/api-client.js';
import { runUmbra } from '../../kit/run-umbra.js';

t.test('a machine that is protected gets its shadow copies without anybody asking', async (t) => {
  let aheadMs = 0;
  const lab = await startAgentLab(t, {
    schedule: true,
    clock: { ...systemClock, now: () => systemClock.now() + aheadMs },
  });
  const images = join(lab.directory, 'images');
  mkdirSync(images);
  const content = Buffer.alloc(1024 * 1024, 'umbra');
  writeFileSync(join(images, 'web.raw'), content);
  writeFileSync(join(images, 'db.raw'), content);
  const config = `libvirt: "off"\ndirectories: [${images}]\ndiscoverSeconds: 3600`;
  const agent = await lab.agent('hv1', config);
  const jobs = async (machine: string): Promise<JobsResult['jobs']> =>
    ((await ask(lab.store, 'POST', '/v1/jobs/list', { machine })).body as JobsResult).jobs;

  await lab.umbra('protect', 'web');
  await until(async () => (await jobs('web'))[0]?.state === 'done');
  const [job] = await jobs('web');
  const copies = (await lab.umbra('list', 'web')) as readonly ShadowCopyInfo[];
  t.match(job, { state: 'done', host: 'hv1', attempts: 1, consistency: 'offline', shadowCopy: copies[0]?.shadowCopy });
  t.equal(copies.length, 1);
  const followed = await runUmbra(['job', String(job?.id), '--follow'], lab.store);
  t.match(followed, { code: 0, stdout: /due\n.*begun\n.*made 2.*, offline\njob: /s });
  const restored = join(lab.directory, 'restored');
  mkdirSync(restored);
  await lab.umbra('restore', 'web', '--to', restored);
  t.ok(readFileSync(join(restored, 'vda.raw')).equals(content));
  const { planned, isScheduling } = (await lab.umbra('jobs', '--next')) as ScheduleResult;
  t.ok(isScheduling);
  const hours = (Date.parse(planned[0]?.at ?? '') - Date.parse(job?.startedAt ?? '')) / 3_600_000;
  t.ok(hours >= 4 && hours < 4.01, `${hours} h after the first one`);
  t.match(planned, [{ reason: 'standard (default): every 4h' }]);
  const policies = join(lab.directory, 'policies.yaml');
  writeFileSync(policies, 'default: d\npolicies: { d: { shadowCopies: { daily: ["22:00"] } } }\n');
  await lab.umbra('policy', 'apply', policies);
  const { planned: others } = (await lab.umbra('jobs', '--next')) as ScheduleResult;
  t.match(others, [{ reason: 'd (default): at "0 22 * * *" in UTC', at: /T22:00:00/ }]);
  const figures = String((await ask(lab.store, 'GET', '/metrics')).body);
  t.match(figures, /umbra_scheduled_last_success_timestamp_seconds\{machine="web"\} \d{10}/);
  t.match(figures, /umbra_jobs_total\{kind="request",outcome="done"\} 1/);

  // What is due by other policies is done as soon as they are applied, and what they do not keep is deleted.
  writeFileSync(policies, 'default: lean\npolicies: { lean: { shadowCopies: { every: 6h }, keep: { last: 1 } } }\n');
  aheadMs = 7 * 3_600_000;
  await lab.umbra('policy', 'apply', policies);
  await until(async () => (await jobs('web')).filter(({ state }) => state === 'done').length === 2);
  const [second] = await jobs('web');
  const kept = (await lab.umbra('list', 'web')) as readonly ShadowCopyInfo[];
  t.same(
    kept.map(({ shadowCopy }) => shadowCopy),
    [second?.shadowCopy],
  );
  const { stdout } = await runUmbra(['job', String(second?.id)], lab.store);
  t.match(stdout, `deleted, as the policy does not keep it: ${job?.shadowCopy}`);

  // Nobody is there when the next machine is due: it is done as soon as somebody is.
  await agent.stop();
  await until(async () => {
    const { machines } = (await lab.umbra('machines')) as MachinesResult;
    return machines.every(({ isConnected }) => !isConnected);
  });
  await lab.umbra('protect', 'db');
  await until(async () => (await jobs('db'))[0]?.state === 'retrying');
  t.match(await jobs('db'), [{ attempts: 1, error: { code: 'AGENT_UNREACHABLE' } }]);
  startAgent(t, agent.state, `${config}\nstate: ${agent.state}\nscratch: ${join(lab.directory, 'scratch')}`);
  await until(async () => (await jobs('db'))[0]?.state === 'done');
  t.match(await jobs('db'), [{ attempts: 2 }]);
});

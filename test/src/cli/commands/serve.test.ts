import { join } from 'node:path';
import t from 'tap';
import { UmbraError } from '../../../../src/common/errors.js';
import type { ScheduleResult } from '../../../../src/protocol/jobs-api.js';
import type { StatusResult, StopResult } from '../../../../src/protocol/server-api.js';
import { ask, until } from '../../../kit/api-client.js';
import { fakeParts } from '../../../kit/fake-parts.js';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

void t.test('its options have limits', async (t) => {
  t.match(await runUmbra(['serve', '--idle-exit', 'soon'], '/nowhere'), { code: 2 });
  t.match(await runUmbra(['serve', '--idle-exit', '86401'], '/nowhere'), { code: 2 });
});

void t.test('a store that is taken for a moment is asked for again, one that stays taken is not', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  let opened = 0;
  const takenFor = (times: number) => () =>
    Promise.resolve({
      ...fakeParts,
      openEngine: (options: Parameters<typeof fakeParts.openEngine>[0]) => {
        opened += 1;
        if (opened <= times) return Promise.reject(new UmbraError('STORE_IN_USE', 'the store is in use'));
        return fakeParts.openEngine({ ...options, create: { mode: 'may' } });
      },
    });
  const serving = runUmbra(['serve', '--json'], store, { serverParts: takenFor(2) });
  await until(async () => {
    const answer = await ask(store, 'POST', '/v1/stop').catch(() => undefined);
    return (answer?.body as StopResult | undefined)?.pid === process.pid;
  });
  t.match(await serving, { code: 0, stdout: /"pid"/ });
  t.equal(opened, 3);
  opened = 0;
  t.match(await runUmbra(['serve'], store, { serverParts: takenFor(Infinity) }), { code: 4, stderr: /is in use/ });
  t.equal(opened, 20);
});

void t.test('it does things by itself, unless it is paused or ends when nobody asks for anything', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  const serverParts = (): Promise<typeof fakeParts> =>
    Promise.resolve({
      ...fakeParts,
      openEngine: (options) => fakeParts.openEngine({ ...options, create: { mode: 'may' } }),
    });
  const found: unknown[] = [];
  for (const options of [[], ['--paused'], ['--idle-exit', '3600']]) {
    const serving = runUmbra(['serve', ...options], store, { serverParts });
    const schedule = async (): Promise<Partial<ScheduleResult> | undefined> =>
      (await ask(store, 'GET', '/v1/schedule').catch(() => undefined))?.body as Partial<ScheduleResult> | undefined;
    // It begins just after it answers first.
    await until(async () => (await schedule())?.isScheduling !== undefined);
    found.push((await schedule())?.isScheduling);
    await ask(store, 'POST', '/v1/stop');
    t.match(await serving, { code: 0 });
  }
  t.same(found, [true, false, false]);
});

void t.test('a server makes room only if a command started it, and it does nothing', async (t) => {
  const { server, store } = await startFakeServer(t);
  const asked = await ask(store, 'POST', '/v1/stop', { whenIdle: true });
  t.match(asked, {
    status: 409,
    body: { error: { code: 'STORE_IN_USE', message: /"umbra serve"/, hint: /umbra stop/ } },
  });
  t.match(await ask(store, 'POST', '/v1/stop', { when: 1 }), { status: 400 });
  await server.stop();
  const idle = await startFakeServer(t, { store, background: true });
  const mount = { mountPoint: '/m', allowOther: false, leased: false };
  await ask(store, 'POST', '/v1/mounts', mount);
  t.match(await runUmbra(['serve'], store), { code: 4, stderr: /: it is mounted at \/m\n.*umbra unmount \/m/ });
  await ask(store, 'DELETE', '/v1/mounts', { mountPoint: '/m', force: false });
  const abort = new AbortController();
  const verify = ask(store, 'POST', '/v1/verify', { machine: 'slow' }, { signal: abort.signal });
  verify.catch(() => undefined);
  const jobs = async (): Promise<number> => ((await ask(store, 'GET', '/v1/status')).body as StatusResult).jobs.length;
  await until(async () => (await jobs()) === 1);
  t.match(await runUmbra(['serve'], store), { code: 4, stderr: /: verify of slow runs\n.*umbra stop/ });
  abort.abort();
  await until(async () => (await jobs()) === 0);
  t.match(await ask(store, 'POST', '/v1/stop', { whenIdle: true }), { status: 200, body: { pid: process.pid } });
  await idle.server.ended;
});

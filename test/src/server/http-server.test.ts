import t from 'tap';
import { ask, until } from '../../kit/api-client.js';
import { PROTOCOL_VERSION } from '../../../src/protocol/version.js';
import { startFakeServer } from '../../kit/fake-store.js';

const BACKUP = { machine: 'web1', images: [{ path: '/images/a.raw' }], configs: [], reread: false };
const MOUNT = { mountPoint: '/mnt/umbra', allowOther: false, leased: false };

/** The last line of a stream; anything else as it is. */
function last(body: unknown): unknown {
  return Array.isArray(body) ? body.at(-1) : body;
}

function runningKinds(body: unknown): string[] {
  if (typeof body !== 'object' || body === null || !('jobs' in body) || !Array.isArray(body.jobs)) return [];
  return body.jobs.map((job: { kind: string }) => job.kind);
}

void t.test('short operations answer with JSON', async (t) => {
  const { store } = await startFakeServer(t);
  const list = await ask(store, 'GET', '/v1/shadow-copies');
  t.same([list.status, list.body], [200, []]);
  t.equal(list.headers['content-type'], 'application/json');
  t.equal(list.headers['umbra-protocol'], String(PROTOCOL_VERSION));
  t.match((await ask(store, 'GET', '/v1/stats')).body, { store, machines: 2 });
  t.match((await ask(store, 'GET', '/v1/shadow-copies?machine=none')).status, 404);
});

void t.test('long operations answer with lines', async (t) => {
  const { store } = await startFakeServer(t);
  const { status, body, headers } = await ask(store, 'POST', '/v1/backup', BACKUP);
  t.equal(status, 200);
  t.equal(headers['content-type'], 'application/x-ndjson');
  const lines = Array.isArray(body) ? body : [];
  t.match(lines[0], { job: 1 });
  t.match(lines[1], { progress: { what: 'reading web1' } });
  t.match(lines.at(-1), { result: { machine: 'web1' } });
  t.match((await ask(store, 'GET', '/v1/shadow-copies?machine=web1')).body, [{ machine: 'web1' }]);
});

void t.test('every long operation has its route', async (t) => {
  const { store } = await startFakeServer(t);
  const version = { machine: 'web1', version: 'latest' };
  const bodies: Record<string, unknown> = {
    restore: { ...version, to: '/r', volume: 'vda' },
    export: { ...version, to: '/e.qcow2', volume: 'vda' },
    diff: { machine: 'web1', from: 'latest', toMachine: 'web2', to: 'latest', exact: true },
    forget: { shadowCopies: [version], dryRun: true, force: false },
    gc: {},
    verify: {},
    rebuild: {},
  };
  for (const [route, body] of Object.entries(bodies)) {
    const answer = await ask(store, 'POST', `/v1/${route}`, body);
    t.match(last(answer.body), { result: Object }, route);
  }
});

void t.test('errors have a status, a code and a message', async (t) => {
  const { store } = await startFakeServer(t);
  const wrong = await ask(store, 'POST', '/v1/backup', { ...BACKUP, machine: '../etc' });
  t.equal(wrong.status, 400);
  t.match(wrong.body, { error: { code: 'BAD_NAME' } });
  const defect = await ask(store, 'POST', '/v1/backup', { ...BACKUP, machine: 'broken' });
  t.match(defect.body, [{ job: 1 }, { error: { code: 'INTERNAL', message: 'undefined is not a chunk' } }]);
});

void t.test('what may not run at once is refused', async (t) => {
  const { store } = await startFakeServer(t);
  const abort = new AbortController();
  const slow = { ...BACKUP, machine: 'slow' };
  const first = ask(store, 'POST', '/v1/backup', slow, { signal: abort.signal });
  first.catch(() => undefined);
  await until(async () => runningKinds((await ask(store, 'GET', '/v1/status')).body).includes('backup'));
  const second = await ask(store, 'POST', '/v1/backup', slow);
  t.equal(second.status, 409);
  t.match(second.body, { error: { code: 'MACHINE_BUSY', message: /slow/ } });
  t.equal((await ask(store, 'POST', '/v1/backup', BACKUP)).status, 200, 'another machine');
  t.match(last((await ask(store, 'POST', '/v1/gc')).body), { result: Object }, 'gc beside backup');
  t.match((await ask(store, 'POST', '/v1/rebuild')).body, {
    error: { code: 'STORE_IN_USE', message: /backup of slow/ },
  });
  abort.abort();
  await t.rejects(first);
  await until(async () => runningKinds((await ask(store, 'GET', '/v1/status')).body).length === 0);
});

void t.test('a job can be cancelled by its number', async (t) => {
  const { store } = await startFakeServer(t);
  const running = ask(store, 'POST', '/v1/verify', { machine: 'slow' });
  await until(async () => runningKinds((await ask(store, 'GET', '/v1/status')).body).includes('verify'));
  t.equal((await ask(store, 'DELETE', '/v1/jobs/1')).status, 200);
  const { body } = await running;
  t.match(last(body), { error: { code: 'CANCELLED' } });
  t.equal((await ask(store, 'DELETE', '/v1/jobs/1')).status, 404);
  t.equal((await ask(store, 'DELETE', '/v1/jobs/x')).status, 400);
});

void t.test('mounts come and go', async (t) => {
  const { store } = await startFakeServer(t);
  const { body } = await ask(store, 'POST', '/v1/mounts', MOUNT);
  t.match(last(body), { result: { mountPoint: '/mnt/umbra' } });
  t.match((await ask(store, 'GET', '/v1/status')).body, { mounts: [{ mountPoint: '/mnt/umbra' }] });
  t.match((await ask(store, 'POST', '/v1/rebuild')).body, { error: { message: /mounted at \/mnt\/umbra/ } });
  const unmount = { mountPoint: '/mnt/umbra', force: false };
  t.equal((await ask(store, 'DELETE', '/v1/mounts', unmount)).status, 200);
  t.match((await ask(store, 'DELETE', '/v1/mounts', unmount)).body, { error: { code: 'MOUNT_POINT' } });
});

void t.test('a leased mount goes with its client', async (t) => {
  const { store } = await startFakeServer(t);
  const abort = new AbortController();
  const lease = ask(store, 'POST', '/v1/mounts', { ...MOUNT, mountPoint: '/mnt/busy', leased: true }, abort);
  lease.catch(() => undefined);
  const mounted = async (): Promise<boolean> =>
    JSON.stringify((await ask(store, 'GET', '/v1/status')).body).includes('/mnt/busy');
  await until(mounted);
  t.same(runningKinds((await ask(store, 'GET', '/v1/status')).body), [], 'a held mount is no job');
  abort.abort();
  await until(async () => !(await mounted()));
});

void t.test('a leased mount that is unmounted by another ends its stream', async (t) => {
  const { store } = await startFakeServer(t);
  const lease = ask(store, 'POST', '/v1/mounts', { ...MOUNT, leased: true });
  await until(
    async () => (await ask(store, 'DELETE', '/v1/mounts', { mountPoint: '/mnt/umbra', force: false })).status === 200,
  );
  t.match((await lease).body, [{ job: 1 }, { result: Object }, { ended: 'unmounted' }]);
});

void t.test('the server stops on request', async (t) => {
  const { store, server } = await startFakeServer(t);
  const lease = ask(store, 'POST', '/v1/mounts', { ...MOUNT, leased: true });
  const verify = ask(store, 'POST', '/v1/verify', { machine: 'slow' });
  await until(async () => runningKinds((await ask(store, 'GET', '/v1/status')).body).includes('verify'));
  const stop = await ask(store, 'POST', '/v1/stop');
  t.match(stop.body, { pid: process.pid, cancelledJobs: 1, unmounted: [{ mountPoint: '/mnt/umbra' }] });
  t.match((await lease).body, [Object, Object, { ended: 'stopping' }]);
  const { body } = await verify;
  t.match(last(body), { error: { code: 'SERVER_STOPPING' } });
  await server.ended;
});

import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { type Log, silentLog } from '../../../src/common/log.js';
import { socketPath } from '../../../src/protocol/socket-path.js';
import { StoreServer } from '../../../src/server/store-server.js';
import { ask, until } from '../../kit/api-client.js';
import { FakeEngine } from '../../kit/fake-engine.js';
import { FakeMounts } from '../../kit/fake-mounts.js';
import { fakeParts } from '../../kit/fake-parts.js';
import { startFakeServer } from '../../kit/fake-store.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MOUNT = { mountPoint: '/mnt/umbra', allowOther: false, leased: false };

void t.test('the socket is for its owner alone, and goes with the server', async (t) => {
  const { server, store } = await startFakeServer(t);
  t.equal(statSync(socketPath(store)).mode & 0o777, 0o600);
  t.match((await ask(store, 'GET', '/v1/status')).body, { pid: process.pid, store, mounts: [], jobs: [] });
  await server.stop();
  await server.ended;
  t.notOk(existsSync(socketPath(store)));
});

void t.test('a socket left behind is replaced', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store, { mode: 0o700 });
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(`${socketPath(store)}.dead`, resolve));
  const { link } = await import('node:fs/promises');
  await link(`${socketPath(store)}.dead`, socketPath(store));
  await new Promise((resolve) => dead.close(resolve));
  await startFakeServer(t, { store });
  t.equal((await ask(store, 'GET', '/v1/stats')).status, 200);
});

void t.test('something else in the place of the socket is left alone', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store, { mode: 0o700 });
  writeFileSync(socketPath(store), 'precious');
  await t.rejects(startFakeServer(t, { store }), { code: 'STORE_FAILED', message: /not a socket/ });
  t.ok(statSync(socketPath(store)).isFile());
});

void t.test('a directory that others can change is refused', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store);
  chmodSync(store, 0o777);
  await t.rejects(startFakeServer(t, { store }), { code: 'STORE_FAILED', hint: /chmod/ });
});

void t.test('only one server has a store', async (t) => {
  const { store } = await startFakeServer(t);
  await t.rejects(startFakeServer(t, { store }), { code: 'STORE_IN_USE' });
  t.equal((await ask(store, 'GET', '/v1/stats')).status, 200, 'the first one goes on');
});

void t.test('requests wait until the store is open', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store, { mode: 0o700 });
  writeFileSync(join(store, 'open-slowly'), '');
  const starting = startFakeServer(t, { store });
  await until(() => existsSync(socketPath(store)));
  t.equal((await ask(store, 'GET', '/v1/status')).status, 200, 'status answers at once');
  t.equal((await ask(store, 'GET', '/v1/stats')).status, 200);
  await starting;
});

void t.test('requests that waited are told why the store could not be opened', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  let fail: (error: Error) => void = () => undefined;
  const failing = new Promise<never>((_resolve, reject) => (fail = reject));
  mkdirSync(store, { mode: 0o700 });
  const starting = StoreServer.start({
    store,
    clock: new ManualClock(),
    log: silentLog,
    ...fakeParts,
    openEngine: async ({ onLocked }) => {
      await onLocked?.();
      return await failing;
    },
  });
  starting.catch(() => undefined);
  await until(() => existsSync(socketPath(store)));
  const waiting = ask(store, 'GET', '/v1/stats');
  setTimeout(() => {
    fail(Object.assign(new Error('broken'), { code: 'EIO' }));
  }, 50);
  t.match((await waiting).body, { error: { message: 'broken' } });
  await t.rejects(starting, { message: 'broken' });
});

void t.test('a server that does not know any more what is shared says so in its log', async (t) => {
  const warnings: unknown[] = [];
  const log: Log = { ...silentLog, warn: (message, fields) => void warnings.push([message, fields]) };
  const { store } = await startFakeServer(t, {
    log,
    openEngine: async (options) => {
      const engine = await fakeParts.openEngine(options);
      engine.shares = () => Promise.reject(new UmbraError('STORE_DAMAGED', 'nothing is shared'));
      return engine;
    },
  });
  t.same(warnings, [['shares', { error: 'nothing is shared' }]]);
  t.equal((await ask(store, 'GET', '/v1/stats')).status, 200, 'everything else works');
});

void t.test('ends when idle, and not while something is mounted', async (t) => {
  const clock = new ManualClock();
  const { server, store } = await startFakeServer(t, { clock, idleExitMs: 30_000 });
  /** The server sees the end of a request a moment after its client. */
  const askAndSettle = async (...request: [method: string, path: string, body?: unknown]): Promise<void> => {
    t.equal((await ask(store, ...request)).status, 200);
    await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await askAndSettle('POST', '/v1/mounts', MOUNT);
  clock.advance(60_000);
  await askAndSettle('DELETE', '/v1/mounts', { mountPoint: '/mnt/umbra', force: false });
  clock.advance(29_000);
  await askAndSettle('GET', '/v1/stats');
  clock.advance(29_000);
  t.ok(existsSync(socketPath(store)), 'a request begins the time again');
  clock.advance(1_000);
  await server.ended;
  t.notOk(existsSync(socketPath(store)));
});

void t.test('closes mounts, then the store, once', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store, { mode: 0o700 });
  const order: string[] = [];
  const engine = new FakeEngine(store);
  const mounts = new FakeMounts();
  const { server } = await startFakeServer(t, {
    store,
    openEngine: async ({ onLocked }) => {
      await onLocked?.();
      return Object.assign(engine, { close: () => Promise.resolve(order.push('engine')) });
    },
    openMounts: () => Promise.resolve(Object.assign(mounts, { close: () => Promise.resolve(order.push('mounts')) })),
  });
  await Promise.all([server.stop(), server.stop()]);
  await server.ended;
  t.same(order, ['mounts', 'engine']);
});

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { Client } from '../../../src/client/client.js';
import { requests } from '../../../src/client/requests.js';
import { systemClock } from '../../../src/common/clock.js';
import { socketPath } from '../../../src/protocol/socket-path.js';
import { listenOnStore } from '../../../src/server/listen.js';
import { until } from '../../kit/api-client.js';
import { openFakeEngine } from '../../kit/fake-engine.js';
import { startFakeServer } from '../../kit/fake-store.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const program = fileURLToPath(new URL('../../kit/fake-server.js', import.meta.url));

function newStore(t: Test): string {
  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store, { mode: 0o700 });
  writeFileSync(join(store, 'format'), 'fake');
  return store;
}

function clientOf(store: string, idleExitMs = 200): Client {
  return new Client({ store, clock: systemClock, start: { program, idleExitMs } });
}

void t.test('without a server and without leave to start one', async (t) => {
  const store = newStore(t);
  await t.rejects(new Client({ store, clock: systemClock }).call(requests.stats()), { code: 'SERVER_UNREACHABLE' });
  await t.rejects(clientOf(`${store}/none`).call(requests.stats()), { code: 'STORE_NOT_FOUND', hint: /umbra init/ });
});

void t.test('a server that is going away is waited for, and another one started', async (t) => {
  const store = newStore(t);
  // On a busy machine a server that was idle for less had ended each time before the request of whoever started it came.
  const client = clientOf(store, 300);
  for (let round = 0; round < 8; round += 1) {
    t.match(await client.call(requests.stats()), { store });
    // Around the moment when it ends.
    await new Promise((resolve) => setTimeout(resolve, 280 + round * 6));
  }
  await until(() => !existsSync(socketPath(store)));
});

void t.test('many clients at once start one server', async (t) => {
  const store = newStore(t);
  // On a busy machine a client may come late: the server must not have gone idle by then.
  const client = (): Client => clientOf(store, 60_000);
  const pids = await Promise.all(Array.from({ length: 8 }, () => client().call(requests.status())));
  t.equal(new Set(pids.map(({ pid }) => pid)).size, 1);
  const log = readFileSync(join(store, 'server.log'), 'utf8');
  t.equal(log.match(/"serving"/g)?.length, 1);
  await clientOf(store).call(requests.stop());
});

void t.test('a store that something else holds is in use', async (t) => {
  const store = newStore(t);
  const engine = await openFakeEngine({ store });
  await t.rejects(clientOf(store).call(requests.stats()), { code: 'STORE_IN_USE', message: /process 1/ });
  await engine.close();
});

void t.test('a server of another protocol is told apart', async (t) => {
  const store = newStore(t);
  const server = createServer((_request, response) => {
    response.statusCode = 400;
    response.end(
      '{"error":{"code":"SERVER_VERSION","message":"the running server speaks protocol 2","hint":"umbra stop"}}',
    );
  });
  await listenOnStore(server, store);
  t.teardown(() => server.close());
  await t.rejects(clientOf(store).call(requests.stats()), { code: 'SERVER_VERSION', hint: /umbra stop/ });
});

void t.test('what answers nonsense is no server', async (t) => {
  const store = newStore(t);
  const server = createServer((request, response) => {
    if (request.method === 'GET') response.end('<html>');
    else response.writeHead(500).end('{}');
  });
  await listenOnStore(server, store);
  t.teardown(() => server.close());
  await t.rejects(clientOf(store).call(requests.stats()), { code: 'SERVER_UNREACHABLE' });
  await t.rejects(clientOf(store).run(requests.gc()), { code: 'SERVER_UNREACHABLE', message: /status 500/ });
});

void t.test("an interruption ends short requests at once and long ones with the server's word", async (t) => {
  const { store } = await startFakeServer(t, { store: newStore(t) });
  const abort = new AbortController();
  const client = new Client({ store, clock: systemClock, interrupted: abort.signal });
  const verify = client.run(requests.verify({ machine: 'slow' }), () => {
    abort.abort();
  });
  await t.rejects(verify, { code: 'CANCELLED' });
  await t.rejects(client.call(requests.stats()), { code: 'CANCELLED' });
  const other = new Client({ store, clock: systemClock });
  t.same((await other.call(requests.status())).jobs, []);
});

void t.test('a new store must be new', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  const start = { program, idleExitMs: 200, create: { mode: 'must' } as const };
  const client = new Client({ store, clock: systemClock });
  await client.startNew(start);
  await t.rejects(client.startNew(start), { code: 'STORE_EXISTS', hint: /--store/ }, 'with a server');
  await client.call(requests.stop());
  await t.rejects(client.startNew(start), { code: 'STORE_EXISTS' }, 'without one');
});

import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { isNotAnswering, send } from '../../../src/client/send.js';
import { listenOnStore } from '../../../src/server/listen.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const STATUS = { method: 'GET', path: '/v1/status' } as const;

async function failureOf(store: string): Promise<unknown> {
  try {
    return await send(store, STATUS);
  } catch (error) {
    return error;
  }
}

void t.test('no store, no socket: not answering', async (t) => {
  const store = temporaryDirectory(t);
  t.ok(isNotAnswering(await failureOf(store)));
  t.ok(isNotAnswering(await failureOf(join(store, 'none'))));
  t.ok(isNotAnswering(await failureOf(join(store, 'n'.repeat(200)))));
});

void t.test('a connection that is closed without an answer: not answering', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store);
  const server = createServer((request) => request.socket.destroy());
  await listenOnStore(server, store);
  t.teardown(() => server.close());
  t.ok(isNotAnswering(await failureOf(store)));
});

void t.test('the socket of another user is not trusted', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store);
  const server = createServer((_request, response) => response.end('{}'));
  await listenOnStore(server, store);
  t.teardown(() => server.close());
  const geteuid = process.geteuid?.bind(process);
  t.teardown(() => Object.assign(process, { geteuid }));
  Object.assign(process, { geteuid: () => 4242 });
  t.match(await failureOf(store), { code: 'NOT_OWNER' });
});

import { createServer, type RequestListener, type Server } from 'node:http';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { socketPath } from '../../../src/protocol/socket-path.js';
import { OWNER, type Caller } from '../../../src/server/caller.js';
import { createRequestHandler, type Identify } from '../../../src/server/request-handler.js';
import { ask } from '../../kit/api-client.js';
import { handlerOptions } from '../../kit/handler-options.js';
import { temporaryDirectory } from '../../kit/temporary.js';

/** A server whose callers are whom `identify` says; it has no store. */
async function serve(t: Test, identify: Identify): Promise<string> {
  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store);
  chmodSync(store, 0o700);
  const handler = createRequestHandler(handlerOptions(store));
  const listener: RequestListener = (request, response) => void handler(request, response, identify);
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(socketPath(store), resolve));
  t.teardown(() => server.close());
  return store;
}

void t.test('a caller may go where his role may', async (t) => {
  const caller: { now: Caller | undefined } = { now: OWNER };
  const store = await serve(t, () => (caller.now === undefined ? undefined : { caller: caller.now }));
  t.equal((await ask(store, 'GET', '/v1/status')).status, 200);
  t.match((await ask(store, 'GET', '/v1/stats')).body, { error: { code: 'STORE_NOT_FOUND' } }, 'comes to the store');

  caller.now = { role: 'administrator', name: 'anna' };
  t.equal((await ask(store, 'GET', '/v1/status')).status, 200);
  const restore = await ask(store, 'POST', '/v1/restore', { nonsense: true });
  t.equal(restore.status, 403);
  t.match(restore.body, { error: { code: 'FORBIDDEN', message: /anna may not do POST \/v1\/restore/ } });

  caller.now = { role: 'agent', host: 'hv1' };
  for (const [method, path] of [
    ['GET', '/v1/status'],
    ['POST', '/v1/stop'],
    ['DELETE', '/v1/jobs/1'],
    ['GET', '/v1/shadow-copies'],
    ['POST', '/v1/forget'],
  ] as const) {
    const answer = await ask(store, method, path);
    t.equal(answer.status, 403, path);
    t.match(answer.body, { error: { code: 'FORBIDDEN', message: /agent of hv1/ } });
  }
});

void t.test('a stranger is asked who he is before his request is looked at', async (t) => {
  const store = await serve(t, () => undefined);
  const { status, body } = await ask(store, 'POST', '/v1/forget', 'this is not JSON');
  t.equal(status, 401);
  t.match(body, { error: { code: 'UNAUTHENTICATED' } });
  const health = await ask(store, 'GET', '/health');
  t.same([health.status, health.body], [503, { status: 'opening' }], 'how the server is everybody may ask');
});

void t.test('who claims to be somebody and is not is refused everywhere', async (t) => {
  const store = await serve(t, () => {
    throw new UmbraError('UNAUTHENTICATED', 'the token is not known');
  });
  for (const path of ['/v1/status', '/nowhere']) t.equal((await ask(store, 'GET', path)).status, 401, path);
});

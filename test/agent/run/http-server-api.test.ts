import { once } from 'node:events';
import { createServer, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { httpServerApi } from '../../../agent/run/http-server-api.js';
import { UmbraError } from '../../../src/common/errors.js';

const BODY = Buffer.alloc(1024 * 1024);

/** A bulk stream to a server that takes all that comes. */
async function openStream(t: Test): Promise<{ request: ClientRequest; api: ReturnType<typeof httpServerApi> }> {
  const server = createServer((incoming, response) => {
    response.flushHeaders();
    incoming.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const request = httpRequest({ host: '127.0.0.1', port, method: 'POST' });
  request.flushHeaders();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const api = httpServerApi(() => ({
    send: () => Promise.reject(new UmbraError('INTERNAL', 'not asked')),
    stream: () => Promise.resolve({ request, response }),
  }));
  return { request, api };
}

t.test('waiting for room leaves nothing behind, however much is sent', async (t) => {
  const { request, api } = await openStream(t);
  const connection = await api.connect(new AbortController().signal);
  const listeners = (): number[] => ['drain', 'close', 'error'].map((event) => request.listenerCount(event));
  const before = listeners();
  for (let region = 0; region < 12; region++) await connection.send({ t: 'chunks', volume: 0, region }, BODY);
  t.same(listeners(), before);
  connection.close();
});

t.test('who waits for room is told when the stream ends', async (t) => {
  const { request, api } = await openStream(t);
  const connection = await api.connect(new AbortController().signal);
  const sent = connection.send({ t: 'chunks', volume: 0, region: 0 }, BODY);
  request.destroy();
  await t.rejects(sent, { code: 'SERVER_UNREACHABLE' });
  await t.rejects(connection.send({ t: 'chunks', volume: 0, region: 1 }, BODY), { code: 'SERVER_UNREACHABLE' });
});

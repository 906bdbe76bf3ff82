import { createServer, request as httpRequest, type ClientRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { httpServerApi } from '../../../agent/run/http-server-api.js';
import type { StreamedRequest } from '../../../src/transport/https-transport.js';

const BODY_BYTES = 256 * 1024;

void t.test('waiting for room in an upload leaves no listeners behind', async (t) => {
  const server = createServer((incoming, response) => {
    response.flushHeaders();
    incoming.resume().on('end', () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const requests: ClientRequest[] = [];
  const stream = (): Promise<StreamedRequest> =>
    new Promise((resolve) => {
      const request = httpRequest({ host: '127.0.0.1', port, method: 'POST', path: '/v1/ingest' });
      request.on('response', (response) => {
        requests.push(request);
        resolve({ request, response });
      });
      request.flushHeaders();
    });
  const send = (): Promise<never> => Promise.reject(new Error('only streams are wanted'));
  const { signal } = new AbortController();
  const connection = await httpServerApi(() => ({ send, stream })).connect(signal);
  const [request] = requests;
  const listeners = (): number | undefined => request?.listenerCount('error');
  const before = listeners();
  let waits = 0;
  request?.on('drain', () => waits++);
  for (let sent = 0; sent < 12; sent++) {
    // The header counts for a few bytes, the body is more than the stream takes before it wants to be waited for.
    await connection.send({ t: 'alive', volume: 0, position: sent }, Buffer.alloc(BODY_BYTES));
  }
  t.equal(listeners(), before);
  t.ok(waits > 2, 'there was something to wait for');
  connection.close();
});

import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Connection } from '../../../agent/send/connection.js';
import { openIngest } from '../../../agent/send/ingest-connection.js';
import { CertificateAuthority } from '../../../src/certificates/authority.js';
import { importKeyPair, makeKey } from '../../../src/certificates/key-pair.js';
import { systemClock } from '../../../src/common/clock.js';
import { FRAMES_TYPE, MAX_BODY_BYTES, readFrames } from '../../../src/protocol/frames.js';
import { HttpsTransport } from '../../../src/transport/https-transport.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';

/** A stream to a server that does with it what a test wants. */
async function connected(
  t: Test,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Connection> {
  const authority = await CertificateAuthority.open(join(temporaryDirectory(t), 'tls'), systemClock);
  const key = await makeKey();
  const { publicKey } = await importKeyPair(key);
  const { pem } = await authority.issueServer(publicKey, ['localhost'], 60_000);
  const server = createServer({ key, cert: pem }, (request, response) => {
    response.writeHead(200, { 'content-type': FRAMES_TYPE });
    response.flushHeaders();
    serve(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const options = { authority: authority.pem, credentials: { kind: 'none' } } as const;
  const transport = new HttpsTransport({ server: { host: 'localhost', port }, ...options });
  const connection = await openIngest(transport, new AbortController().signal);
  t.teardown(() => {
    connection.close();
  });
  return connection;
}

t.test(
  'frames of all sizes, sent at once, come whole and in order, and their memory is free when they are sent',
  async (t) => {
    const random = new Random(testSeed(t));
    const came: { readonly position: unknown; readonly body: Buffer }[] = [];
    let wake = (): void => undefined;
    const connection = await connected(t, (request) => {
      const take = async (): Promise<void> => {
        for await (const { header, body } of readFrames(request)) {
          came.push({ position: header['position'], body: Buffer.from(body) });
          wake();
        }
      };
      // The client ends it in the midst of a chunk.
      take().catch(() => undefined);
    });
    const sizes = [0, 1, 100, 65_535, 65_536, 65_537, 300_000, MAX_BODY_BYTES];
    const bodies = Array.from({ length: 60 }, () => random.bytes(sizes[random.below(sizes.length)] ?? 0));
    await Promise.all(
      bodies.map(async (body, position) => {
        const memory = Buffer.from(body);
        await connection.send({ t: 'alive', volume: 0, position }, memory);
        memory.fill(0x55);
      }),
    );
    while (came.length < bodies.length) await new Promise<void>((resolve) => (wake = resolve));
    t.same(
      came.map(({ position }) => position),
      bodies.map((_, position) => position),
    );
    t.ok(came.every(({ body }, index) => bodies[index]?.equals(body) === true));
  },
);

for (const bytes of [10, MAX_BODY_BYTES]) {
  t.test(`a server that breaks off: who sends ${bytes} bytes is told, and so is who sends later`, async (t) => {
    let requests = 0;
    const connection = await connected(t, (request) => {
      requests++;
      request.once('data', () => request.destroy());
    });
    const send = (): Promise<void> => connection.send({ t: 'alive', volume: 0, position: 0 }, Buffer.alloc(bytes));
    const sendUntilTold = async (): Promise<void> => {
      for (;;) await send();
    };
    await t.rejects(sendUntilTold(), { code: 'SERVER_UNREACHABLE', message: /the connection to the server was lost/ });
    await t.rejects(send(), { code: 'SERVER_UNREACHABLE' });
    t.equal(requests, 1);
  });
}

t.test('whoever waits to send when the stream is closed is told', async (t) => {
  // It reads nothing.
  const connection = await connected(t, (request) => request.pause());
  const sends = Array.from({ length: 8 }, () =>
    connection.send({ t: 'alive', volume: 0, position: 0 }, Buffer.alloc(MAX_BODY_BYTES)),
  );
  const outcomes = Promise.allSettled(sends);
  setImmediate(() => {
    connection.close();
  });
  const told = (await outcomes).filter(({ status }) => status === 'rejected');
  t.ok(told.length > 0, `${told.length} of 8`);
  for (const outcome of told) t.match(outcome, { reason: { code: 'SERVER_UNREACHABLE' } });
});

import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { byteStream } from '../../../src/client/byte-stream.js';
import { UmbraError } from '../../../src/common/errors.js';
import { ByteAnswer } from '../../../src/server/byte-answer.js';

/** What a client sees of an answer. */
async function ask(t: Test, answer: (bytes: ByteAnswer) => Promise<void>): Promise<IncomingMessage> {
  const server = createServer((_request, response) => {
    void answer(new ByteAnswer(response));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return await new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, agent: false }).on('response', resolve).on('error', reject).end();
  });
}

async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const piece of pieces) length += piece.length;
  return length;
}

t.test('bytes wait for who reads them', async (t) => {
  let written = 0;
  const response = await ask(t, async (bytes) => {
    bytes.begin({ sizeBytes: 8 * 1024 * 1024, shadowCopy: 'name' });
    for (; written < 8; written++) await bytes.write(Buffer.alloc(1024 * 1024, written));
    bytes.end();
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.ok(written < 8, 'not all is in memory');
  const stream = byteStream(response);
  t.match(stream, { sizeBytes: 8 * 1024 * 1024, shadowCopy: 'name' });
  t.equal(await readAll(stream.pieces), 8 * 1024 * 1024);
});

t.test('an error comes behind the bytes', async (t) => {
  const response = await ask(t, async (bytes) => {
    bytes.begin({ sizeBytes: 100, shadowCopy: 'name' });
    await bytes.write(Buffer.from('some'));
    bytes.end(new UmbraError('STORE_DAMAGED', 'chunk “x” is damaged\n', { hint: 'Verify.' }));
  });
  let text = '';
  await t.rejects(
    async () => {
      for await (const piece of byteStream(response).pieces) text += Buffer.from(piece).toString();
    },
    { code: 'STORE_DAMAGED', message: 'chunk “x” is damaged\n', hint: 'Verify.' },
  );
  t.equal(text, 'some');
});

t.test('a server that dies, a user who has enough, a client that goes', async (t) => {
  let gone: Promise<void> | undefined;
  const answer = async (bytes: ByteAnswer): Promise<void> => {
    bytes.begin({ sizeBytes: 100, shadowCopy: 'name' });
    gone = bytes.write(Buffer.alloc(16 * 1024 * 1024));
    await gone;
    await bytes.write(Buffer.alloc(1));
    bytes.end();
  };
  const died = await ask(t, answer);
  died.socket.destroy();
  await t.rejects(readAll(byteStream(died).pieces), { code: 'SERVER_UNREACHABLE' });
  await gone;
  t.pass('who writes does not wait for ever');
  const controller = new AbortController();
  const { pieces } = byteStream(await ask(t, answer), controller.signal);
  await pieces.next();
  controller.abort();
  await t.rejects(readAll(pieces), { code: 'CANCELLED' });
  await t.rejects(byteStream(await ask(t, answer), controller.signal).pieces.next(), { code: 'CANCELLED' });
});

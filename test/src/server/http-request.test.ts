import t from 'tap';
import { ask, sendBytes } from '../../kit/api-client.js';
import { startFakeServer } from '../../kit/fake-store.js';
import { Random, testSeed } from '../../kit/random.js';

void t.test('hostile requests get an error and leave the server well', async (t) => {
  const { store } = await startFakeServer(t);
  const well = async (what: string): Promise<void> => {
    t.equal((await ask(store, 'GET', '/v1/stats')).status, 200, `well after ${what}`);
  };

  await t.test('unknown routes', async (t) => {
    for (const path of ['/', '/v2/stats', '/v1/%2e%2e/stats', '/v1/stats%00', '/v1/constructor']) {
      const { status, body } = await ask(store, 'GET', path);
      t.equal(status, 404, path);
      t.match(body, { error: { code: 'BAD_ARGUMENT' } });
    }
  });

  await t.test('wrong methods', async (t) => {
    const { status, headers, body } = await ask(store, 'PATCH', '/v1/mounts');
    t.equal(status, 405);
    t.equal(headers.allow, 'POST, DELETE');
    t.match(body, { error: { message: '/v1/mounts takes POST, DELETE, not PATCH' } });
  });

  await t.test('bodies that are not what they should be', async (t) => {
    const bodies = [
      '{',
      '[]',
      '"x"',
      'null',
      '1',
      '{"machine":1}',
      '{"__proto__":{}}',
      '\0',
      '{}',
      `"${'x'.repeat(9999)}"`,
    ];
    for (const body of bodies) {
      const answer = await ask(store, 'POST', '/v1/backup', body);
      t.equal(answer.status, 400, body.slice(0, 20));
      t.match(answer.body, { error: { code: 'BAD_ARGUMENT' } });
    }
  });

  await t.test('parameters that are given twice', async (t) => {
    t.match((await ask(store, 'GET', '/v1/shadow-copies?machine=a&machine=b')).body, {
      error: { message: '"machine" is given twice' },
    });
  });

  await t.test('a body that is too large', async (t) => {
    const text = await sendBytes(
      store,
      `POST /v1/gc HTTP/1.1\r\nhost: umbra\r\ncontent-length: 4000000\r\n\r\n${' '.repeat(4_000_000)}`,
    );
    t.match(text, /^HTTP\/1.1 400 /);
    t.match(text, /larger than 1048576 bytes/);
    await well('a large body');
  });

  await t.test('what is not HTTP', async (t) => {
    t.match(await sendBytes(store, 'hello\r\n\r\n'), /^HTTP\/1.1 400 [^]*"BAD_ARGUMENT"/);
    t.match(await sendBytes(store, `GET / HTTP/1.1\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`), /^HTTP\/1.1 400 /);
    const random = new Random(testSeed(t));
    for (let round = 0; round < 50; round += 1) await sendBytes(store, random.bytes(random.below(2000)));
    await well('noise');
  });

  await t.test('another protocol', async (t) => {
    const headers = { 'umbra-protocol': '99' };
    const { status, body } = await ask(store, 'GET', '/v1/stats', undefined, { headers });
    t.equal(status, 400);
    t.match(body, { error: { code: 'SERVER_VERSION', hint: /umbra stop/ } });
    t.equal((await ask(store, 'GET', '/v1/status', undefined, { headers })).status, 200, 'status is for all');
  });
});

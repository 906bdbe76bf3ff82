import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { sendWebhook, webhookUrl } from '../../../../src/alerts/channels/webhook.js';
import { selfSigned } from '../../../kit/self-signed.js';
import { someMessage } from '../../../kit/some-message.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const LONG_MS = 60_000;

interface Taken {
  readonly headers: IncomingMessage['headers'];
  readonly method: string | undefined;
  readonly body: string;
}

function takeAll(taken: Taken[]) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      taken.push({ headers: request.headers, method: request.method, body });
      answer(request.url ?? '', response);
    });
  };
}

function answer(path: string, response: ServerResponse): void {
  const part = Buffer.alloc(64 * 1024, 'x');
  const flood = (): void => {
    while (!response.destroyed && response.write(part));
    if (!response.destroyed) response.once('drain', flood);
  };
  if (path === '/huge') flood();
  else if (path === '/moved') response.writeHead(307, { location: '/ok' }).end();
  else if (path === '/broken') response.writeHead(500).end('\u001b[31mbroken');
  else if (path === '/cut') response.destroy();
  else if (path !== '/hangs') response.writeHead(204).end();
}

void t.test('a webhook over HTTPS', async (t) => {
  const directory = temporaryDirectory(t);
  const { cert, key } = selfSigned(directory);
  const taken: Taken[] = [];
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, takeAll(taken));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const secretFile = join(directory, 'secret');
  writeFileSync(secretFile, 'key\n');
  const to = (path: string, host = 'localhost') => ({ url: { text: `https://${host}:${port}${path}` }, ca: cert });
  const message = someMessage();
  const signal = AbortSignal.timeout(LONG_MS);

  t.test('it gets JSON with a signature, and an id', async (t) => {
    t.same(await sendWebhook({ ...to('/ok'), secret: { file: secretFile } }, message, { signal }), {});
    const [request] = taken;
    t.match(request, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'umbra-alert-id': message.id },
    });
    t.match(JSON.parse(request?.body ?? ''), {
      id: message.id,
      time: '2026-11-22T10:16:00.000Z',
      test: false,
      title: '[umbra backup1] CRITICAL data-loss web',
      alerts: [{ event: 'begin', subject: 'web', facts: { host: 'hv1' }, since: '2026-11-22T10:15:00.000Z' }],
      more: 0,
    });
    const seconds = message.madeMs / 1000;
    const hex = createHmac('sha256', 'key')
      .update(`${seconds}.${request?.body ?? ''}`)
      .digest('hex');
    t.equal(request?.headers['umbra-signature'], `t=${seconds},v1=${hex}`);
  });

  t.test('what is no yes is a no', async (t) => {
    const fails = async (options: Parameters<typeof sendWebhook>[0], why: RegExp, limit = signal): Promise<void> => {
      await t.rejects(sendWebhook(options, message, { signal: limit }), { code: 'NOTIFY_FAILED', message: why });
    };
    const before = taken.length;
    await fails(to('/broken'), /^localhost:\d+ answers 500$/);
    await fails(to('/moved'), /answers 307; where it sends elsewhere is not followed/);
    t.equal(taken.length, before + 2);
    await fails(to('/cut'), /cannot be told/);
    await fails(to('/hangs'), /cannot be told/, AbortSignal.timeout(200));
    await fails({ url: to('/ok').url }, /self-signed certificate/);
    await fails(to('/ok', '[::ffff:127.0.0.1]'), /cannot be told/);
    await fails({ ...to('/ok'), ca: '/nowhere/ca' }, /authorities cannot be read/);
    await fails({ ...to('/ok'), secret: { variable: 'UMBRA_TEST_NO_SECRET' } }, /UMBRA_TEST_NO_SECRET is empty/);
    await fails({ ...to('/ok'), url: { file: '/nowhere/url' } }, /cannot be read/);
  });

  t.test('an answer without end is a yes by its head, and cut off', async (t) => {
    const [closed] = await Promise.all([
      new Promise<string>((resolve) => {
        server.once('request', (_request, response: ServerResponse) => {
          response.on('close', () => {
            resolve('closed');
          });
        });
      }),
      sendWebhook(to('/huge'), message, { signal }),
    ]);
    t.equal(closed, 'closed');
  });
});

void t.test('without TLS only to this machine', async (t) => {
  const taken: Taken[] = [];
  const server = createHttpServer(takeAll(taken));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const url = { text: `http://127.0.0.1:${port}/` };
  await sendWebhook({ url }, someMessage({ isTest: true, items: [] }), { signal: AbortSignal.timeout(LONG_MS) });
  t.match(JSON.parse(taken[0]?.body ?? ''), { test: true, alerts: [] });
  for (const text of ['http://example.org/', 'ftp://localhost/', 'nonsense', 'https://me:secret@example.org/'])
    t.throws(() => webhookUrl({ text }), { code: 'NOTIFY_FAILED' });
});

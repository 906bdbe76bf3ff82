import { mkdirSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readStream } from '../../../src/client/read-stream.js';
import { send } from '../../../src/client/send.js';
import { listenOnStore } from '../../../src/server/listen.js';
import { temporaryDirectory } from '../../kit/temporary.js';

type Answer = Awaited<ReturnType<typeof send>>;

/** The client's side of an answer that `write` gives. */
async function answer(t: Test, write: (response: ServerResponse) => void): Promise<Answer> {
  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store);
  const server = createServer((_request, response) => {
    response.writeHead(200);
    write(response);
  });
  await listenOnStore(server, store);
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return await send(store, { method: 'GET', path: '/' });
}

const noCancel = (): Promise<void> => Promise.resolve();

void t.test('progress comes before the result', async (t) => {
  const response = await answer(t, (out) =>
    out.end('{"job":1}\n{"progress":{"what":"a","doneBytes":1}}\n{"result":[1]}\n'),
  );
  const seen: unknown[] = [];
  const { result } = await readStream(response, { progress: (progress) => seen.push(progress) }, noCancel);
  t.same(seen, [{ what: 'a', doneBytes: 1 }]);
  t.same(result, [1]);
});

void t.test('an error keeps its code', async (t) => {
  const response = await answer(t, (out) => out.end('{"job":1}\n{"error":{"code":"STORE_FULL","message":"full"}}\n'));
  await t.rejects(readStream(response, {}, noCancel), { code: 'STORE_FULL', message: 'full' });
});

void t.test('a stream that breaks off is a server that died', async (t) => {
  const ends = await answer(t, (out) => out.end('{"job":1}\n'));
  await t.rejects(readStream(ends, {}, noCancel), { code: 'SERVER_UNREACHABLE' });
  const breaks = await answer(t, (out) => out.write('{"job":1}\n', () => out.destroy()));
  await t.rejects(readStream(breaks, {}, noCancel), { code: 'SERVER_UNREACHABLE' });
  const noise = await answer(t, (out) => out.end('<html>\n'));
  await t.rejects(readStream(noise, {}, noCancel), { code: 'SERVER_UNREACHABLE' });
});

void t.test('an interruption cancels the job and waits for what the server says', async (t) => {
  let out: ServerResponse | undefined;
  const response = await answer(t, (serverSide) => {
    out = serverSide;
    serverSide.write('{"job":7}\n');
  });
  const abort = new AbortController();
  const cancelled: number[] = [];
  const reading = readStream(response, { signal: abort.signal }, (job) => {
    cancelled.push(job);
    out?.end('{"error":{"code":"CANCELLED","message":"cancelled"}}\n');
    return Promise.resolve();
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  abort.abort();
  await t.rejects(reading, { code: 'CANCELLED' });
  t.same(cancelled, [7]);
});

void t.test('an interruption before the job is known is not lost', async (t) => {
  let cancelledJob = 0;
  const abort = new AbortController();
  abort.abort();
  const response = await answer(t, (out) => out.end('{"job":7}\n{"result":1}\n'));
  const { result } = await readStream(response, { signal: abort.signal }, (job) => {
    cancelledJob = job;
    return Promise.resolve();
  });
  t.equal(cancelledJob, 7);
  t.equal(result, 1, 'it was done already');
});

void t.test('a lease tells how it ended', async (t) => {
  const response = await answer(t, (out) => out.end('{"job":1}\n{"result":1}\n{"ended":"stopping"}\n'));
  const lease = await readStream(response, {}, noCancel);
  t.equal(await lease.ended(), 'stopping');
  const broken = await answer(t, (out) => out.end('{"job":1}\n{"result":1}\n'));
  await t.rejects((await readStream(broken, {}, noCancel)).ended(), { code: 'SERVER_UNREACHABLE' });
});

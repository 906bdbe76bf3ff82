import { createServer } from 'node:http';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { listenOnStore } from '../../../src/server/listen.js';
import { StreamAnswer } from '../../../src/server/stream-answer.js';
import { ask } from '../../kit/api-client.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { temporaryDirectory } from '../../kit/temporary.js';

async function linesOf(t: Test, use: (answer: StreamAnswer, clock: ManualClock) => void): Promise<unknown> {
  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store);
  const clock = new ManualClock();
  const server = createServer((_request, response) => {
    use(new StreamAnswer(response, clock), clock);
  });
  await listenOnStore(server, store);
  t.teardown(() => server.close());
  return (await ask(store, 'GET', '/')).body;
}

void t.test('progress goes out ten times a second, and the last before the result', async (t) => {
  const body = await linesOf(t, (answer, clock) => {
    for (let doneBytes = 0; doneBytes < 30; doneBytes += 1) {
      answer.progress({ what: 'x', doneBytes });
      clock.advance(10);
    }
    answer.send({ result: 1 });
    answer.end();
  });
  const done = [0, 10, 20, 29].map((doneBytes) => ({ progress: { what: 'x', doneBytes } }));
  t.same(body, [...done, { result: 1 }]);
});

void t.test('ending twice and writing afterwards are harmless', async (t) => {
  const body = await linesOf(t, (answer) => {
    answer.send({ job: 1 });
    answer.end();
    answer.end();
    answer.send({ job: 2 });
    answer.progress({ what: 'x', doneBytes: 1 });
  });
  t.same(body, [{ job: 1 }]);
});

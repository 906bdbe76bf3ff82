import t, { type Test } from 'tap';
import { sendShadowCopy, type Sent } from '../../../agent/send/send-shadow-copy.js';
import { REGION_BYTES } from '../../../src/codec/formats.js';
import { systemClock, type Clock } from '../../../src/common/clock.js';
import { encodeFrame } from '../../../src/protocol/frames.js';
import type { BeginFrame } from '../../../src/protocol/ingest.js';
import type { Store } from '../../../src/store/store.js';
import {
  ingestServer,
  memoryCheckpoint,
  memoryVolume,
  rawConnection,
  type IngestServer,
  type RawConnection,
} from '../../kit/ingest.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { Random, testSeed } from '../../kit/random.js';
import { openTestStore } from '../../kit/test-store.js';

const ANNA = 'the administrator anna';
const BERT = 'the administrator bert';
const BEGIN: BeginFrame = {
  t: 'begin',
  machine: 'vm',
  checkpoint: 'c1',
  volumes: [{ name: 'vda', path: '/vda', format: 'raw', sizeBytes: REGION_BYTES, rest: 'holes' }],
};
const END = { t: 'end', ageMs: 0, consistency: 'crash', tracker: 'scan', pauseMs: 0, notes: [], config: [] } as const;

async function lab(t: Test, clock?: Clock): Promise<{ readonly store: Store; readonly server: IngestServer }> {
  const store = await openTestStore();
  const server = ingestServer(store, clock);
  t.teardown(() => server.pool.close());
  return { store, server };
}

/** Somebody who has begun to send. */
async function begun(server: IngestServer, who: string): Promise<RawConnection> {
  const connection = rawConnection(server, who);
  connection.say(...encodeFrame(BEGIN));
  await connection.hear('begun');
  return connection;
}

t.test('an administrator is told what was new, and of no chunk that he has not sent himself', async (t) => {
  const content = new Random(testSeed(t)).bytes(REGION_BYTES);
  const { store, server } = await lab(t);
  const send = (who: string, machine: string): Promise<Sent> =>
    sendShadowCopy({
      machine,
      tracker: 'scan',
      checkpoint: memoryCheckpoint('c1', [memoryVolume('vda', content)]),
      base: undefined,
      connect: server.connect(who),
      clock: systemClock,
      signal: new AbortController().signal,
    });
  const first = await send(ANNA, 'a');
  t.match(first.volumes, [{ name: 'vda', dataBytes: REGION_BYTES, newBytes: REGION_BYTES }]);
  const other = await send(BERT, 'b');
  t.equal(other.sentBytes, first.sentBytes, 'another one sends everything, though the store has it');
  t.match(other.volumes, [{ dataBytes: REGION_BYTES, changedBytes: REGION_BYTES, newBytes: 0, newChunks: 0 }]);
  t.equal((await send(ANNA, 'c')).sentBytes, 0, 'she herself need not send it twice');
  const record = await store.record(store.catalog.find('a', 'latest'));
  t.strictSame(
    [record.host, record.checkpoint, record.notes],
    [undefined, undefined, undefined],
    'no agent goes on from it',
  );
});

t.test('two commands of one administrator do not get in each other’s way', async (t) => {
  const { store, server } = await lab(t);
  const first = await begun(server, ANNA);
  const second = await begun(server, ANNA);
  for (const { say, hear } of [first, second]) {
    say(...encodeFrame(END));
    await hear('done');
  }
  t.equal(store.catalog.shadowCopies('vm').length, 2);
});

t.test('what nobody waits for of an agent ends, and not what an administrator sends', async (t) => {
  const { server } = await lab(t);
  const { say, hear } = await begun(server, ANNA);
  await server.uploads.giveUp('vm');
  say(...encodeFrame(END));
  t.match(await hear('done'), { shadowCopy: /Z/ });
});

t.test('an administrator who does not come back is waited for for a minute', async (t) => {
  const clock = new ManualClock(0);
  const { store, server } = await lab(t, clock);
  const { up } = server.open(ANNA);
  up.end(Buffer.concat(encodeFrame(BEGIN)));
  while (server.ends.length === 0) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(59_000);
  t.equal(store.objectStore.sessions.size, 1, 'he may come back');
  clock.advance(2_000);
  while (store.objectStore.sessions.size > 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal(server.uploads.progressOf('vm'), undefined);
});

t.test('an upload that is not wanted any more ends at once, by who began it alone', async (t) => {
  const { store, server } = await lab(t);
  const first = rawConnection(server, ANNA);
  first.say(...encodeFrame(BEGIN));
  const { upload } = (await first.hear('begun')) as { readonly upload: string };
  const give = async (who: string): Promise<unknown> => {
    const { say, hear } = rawConnection(server, who);
    say(...encodeFrame({ t: 'giveUp', upload }));
    return await hear('error');
  };
  t.match(await give(BERT), { error: { code: 'NOT_FOUND' } });
  t.equal(store.objectStore.sessions.size, 1);
  t.match(await give(ANNA), { error: { code: 'CANCELLED', message: /given up/ } });
  t.match(await first.hear('error'), { error: { code: 'CANCELLED' } });
  t.equal(store.objectStore.sessions.size, 0);
  t.match(await give(ANNA), { error: { code: 'NOT_FOUND' } }, 'there is no such upload any more');
});

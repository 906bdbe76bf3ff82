import t, { type Test } from 'tap';
import { HostWork } from '../../../agent/run/host-work.js';
import type { Connect } from '../../../agent/send/connection.js';
import type { Tracker } from '../../../agent/trackers/tracker.js';
import { REGION_BYTES } from '../../../src/codec/formats.js';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog } from '../../../src/common/log.js';
import type { DiscoveredMachine } from '../../../src/protocol/agents-api.js';
import { SILENCE_LIMIT_MS } from '../../../src/protocol/ingest.js';
import type { Store } from '../../../src/store/store.js';
import { ingestServer, memoryCheckpoint, memoryVolume } from '../../kit/ingest.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { openTestStore, readBack } from '../../kit/test-store.js';

/** The lowest that a policy can have. */
const LEAST = 64 * 1024;
const SIGNAL = new AbortController().signal;

interface SentBody {
  readonly atMs: number;
  readonly bytes: number;
}

interface Lab {
  readonly store: Store;
  readonly clock: ManualClock;
  readonly work: HostWork;
  /** When each body was given to the network. */
  readonly sent: SentBody[];
  readonly backUp: (name: string, signal?: AbortSignal) => Promise<unknown>;
  /** How uploads ended: undefined for a good end. */
  readonly ends: readonly unknown[];
}

/** The work of an agent, and a server, both by one clock. */
async function lab(t: Test, contents: Readonly<Record<string, Buffer>>): Promise<Lab> {
  const clock = new ManualClock();
  const store = await openTestStore();
  const server = ingestServer(store, clock);
  t.teardown(() => server.pool.close());
  const sent: SentBody[] = [];
  const open = server.connect('hv1');
  const connect: Connect = async (signal) => {
    const connection = await open(signal);
    return {
      ...connection,
      send: async (frame, body) => {
        if (body !== undefined) sent.push({ atMs: clock.monotonic(), bytes: body.length });
        await connection.send(frame, body);
      },
    };
  };
  const trackerOf = (name: string): Tracker => ({
    kind: 'scan',
    checkpoint: ({ id }) =>
      Promise.resolve(memoryCheckpoint(id, [memoryVolume('vda', contents[name] ?? Buffer.alloc(0))])),
    forget: () => Promise.resolve(),
  });
  const work = new HostWork({
    discover: () => Promise.resolve({ machines: [], notes: [] }),
    trackers: (_, name) => Promise.resolve([{ kind: 'scan', tracker: trackerOf(name) }]),
    connect,
    stateDirectory: temporaryDirectory(t),
    clock,
    log: silentLog,
  });
  const backUp = (name: string, signal = SIGNAL): Promise<unknown> => {
    const machine = { name, host: 'hv1', hostName: name, tracker: 'scan' } as const;
    const seen: DiscoveredMachine = {
      name,
      source: 'qmp',
      state: 'running',
      volumes: [],
      skipped: [],
      configPaths: [],
    };
    return work.backUp({ kind: 'backup', id: name, machine }, seen, signal);
  };
  return { store, clock, work, sent, backUp, ends: server.ends };
}

/** A little time passes, once threads and connections were given some of the processor. */
async function step(clock: ManualClock): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  clock.advance(100);
}

/** Let time pass, by far more slowly than a connection needs to be heard of, until something is over. */
async function passUntilOver(clock: ManualClock, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  const end = (): void => {
    over.abort();
  };
  work.then(end, end);
  while (!over.signal.aborted) {
    await step(clock);
  }
}

t.test('all backups of a host together keep to its limit, and none is taken for dead', async (t) => {
  const random = new Random(testSeed(t));
  const contents = { a: random.bytes(2 * REGION_BYTES), b: random.bytes(REGION_BYTES) };
  const { store, clock, work, sent, backUp, ends } = await lab(t, contents);
  work.limit({ bytesPerSecond: LEAST });
  const backups = Promise.all([backUp('a'), backUp('b')]);
  await passUntilOver(clock, backups);
  await backups;
  t.strictSame(ends, [undefined, undefined], 'each by its first connection');
  for (const [name, content] of Object.entries(contents)) {
    t.ok((await readBack(store, store.catalog.find(name, 'latest'))).equals(content));
  }
  t.ok(REGION_BYTES / LEAST > SILENCE_LIMIT_MS / 1000, 'a region takes longer than a server listens to silence');
  const total = sent.reduce((sum, { bytes }) => sum + bytes, 0);
  t.ok(total >= 3 * REGION_BYTES, `${total} bytes were sent`);
  let ahead = 0;
  let beforeMs = 0;
  for (const { atMs, bytes } of sent) {
    ahead = Math.max(0, ahead - ((atMs - beforeMs) / 1000) * LEAST) + bytes;
    beforeMs = atMs;
    if (ahead > REGION_BYTES + LEAST / 4) t.fail(`${ahead} bytes more at once than the limit allows`);
  }
});

t.test('a backup that waits ends as soon as it is cancelled, and goes on as soon as the limit is lifted', async (t) => {
  const random = new Random(testSeed(t));
  const contents = { a: random.bytes(REGION_BYTES), b: random.bytes(REGION_BYTES) };
  const { store, clock, work, sent, backUp } = await lab(t, contents);
  work.limit({ bytesPerSecond: LEAST });
  const gone = new AbortController();
  const cancelled = backUp('a', gone.signal);
  cancelled.catch(() => undefined);
  const other = backUp('b');
  // From here on the clock stands still: after a first region nothing more may be sent.
  const large = (): number => sent.filter(({ bytes }) => bytes === REGION_BYTES).length;
  while (large() === 0) {
    await step(clock);
  }
  gone.abort(new UmbraError('CANCELLED', 'cancelled'));
  await t.rejects(cancelled, { code: 'CANCELLED' });
  work.limit({});
  await other;
  t.ok((await readBack(store, store.catalog.find('b', 'latest'))).equals(contents.b));
});

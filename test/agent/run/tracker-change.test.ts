import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { HostWork } from '../../../agent/run/host-work.js';
import type { Checkpoint, CheckpointVolume, Tracker } from '../../../agent/trackers/tracker.js';
import { systemClock } from '../../../src/common/clock.js';
import { silentLog } from '../../../src/common/log.js';
import type { DiscoveredMachine } from '../../../src/protocol/agents-api.js';
import { ingestServer } from '../../kit/ingest.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { openTestStore } from '../../kit/test-store.js';

const MACHINE: DiscoveredMachine = {
  name: 'vm',
  source: 'qmp',
  state: 'running',
  volumes: [],
  skipped: [],
  configPaths: [],
};

const EMPTY: CheckpointVolume = {
  name: 'vda',
  path: '/vda',
  format: 'raw',
  sizeBytes: 4096,
  changesKnown: false,
  changes: nothing,
  extents: nothing,
  read: () => Promise.resolve(),
};

t.test('the tracker before lets go once the server has all, and before the new one notes what is there', async (t) => {
  const store = await openTestStore();
  const server = ingestServer(store);
  t.teardown(() => server.pool.close());
  const calls: string[] = [];
  const say = (what: string) => (): Promise<void> => {
    calls.push(`${what}, ${store.catalog.machines().length} in the store`);
    return Promise.resolve();
  };
  const tracker = (kind: Tracker['kind']): Tracker => ({
    kind,
    forget: say(`${kind} lets go`),
    checkpoint: ({ id }) => Promise.resolve(checkpoint(id, say('acknowledged'))),
  });
  const stateDirectory = temporaryDirectory(t);
  const directory = join(stateDirectory, 'machines', 'web');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'tracker'), 'qemu-bitmap\n');
  const work = new HostWork({
    discover: () => Promise.resolve({ machines: [MACHINE], notes: [] }),
    trackers: () =>
      Promise.resolve([
        { kind: 'qemu-bitmap', tracker: tracker('qemu-bitmap') },
        { kind: 'differencing', tracker: tracker('differencing') },
      ]),
    connect: server.connect('hv1'),
    stateDirectory,
    clock: systemClock,
    log: silentLog,
  });
  const machine = { name: 'web', host: 'hv1', hostName: 'vm', tracker: 'differencing' } as const;
  await work.backUp({ kind: 'backup', id: '1', machine }, MACHINE, new AbortController().signal);
  t.strictSame(calls, ['qemu-bitmap lets go, 1 in the store', 'acknowledged, 1 in the store']);
  t.equal(readFileSync(join(directory, 'tracker'), 'utf8'), 'differencing\n');
});

function checkpoint(id: string, acknowledge: () => Promise<void>): Checkpoint {
  return {
    id,
    timeMs: Date.now(),
    consistency: 'crash',
    pauseMs: 0,
    notes: [],
    config: [],
    volumes: [EMPTY],
    assertUnchanged: () => Promise.resolve(),
    acknowledge,
    close: () => Promise.resolve(),
  };
}

async function* nothing(): AsyncGenerator<never> {
  // The volume is a hole.
}

import t from 'tap';
import { HostWork } from '../../../agent/run/host-work.js';
import { systemClock } from '../../../src/common/clock.js';
import { silentLog } from '../../../src/common/log.js';
import type { DiscoveredMachine } from '../../../src/protocol/agents-api.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MACHINE: DiscoveredMachine = {
  name: 'web1',
  source: 'directory',
  state: 'off',
  volumes: [],
  skipped: [],
  configPaths: [],
};

void t.test('a server that is newer may ask for a tracker that this agent does not have', async (t) => {
  const work = new HostWork({
    discover: () => Promise.resolve({ machines: [MACHINE], notes: [] }),
    trackers: () => Promise.resolve([{ kind: 'scan', reason: 'it is not asked for' }]),
    connect: () => Promise.reject(new Error('nothing is sent')),
    stateDirectory: temporaryDirectory(t),
    clock: systemClock,
    log: silentLog,
  });
  const machine = { name: 'web1', host: 'hv1', hostName: 'web1', tracker: 'differencing' } as const;
  const { signal } = new AbortController();
  await t.rejects(work.backUp({ kind: 'backup', id: '1', machine }, MACHINE, signal), {
    code: 'TRACKER_UNAVAILABLE',
    message: 'no tracker can make a checkpoint of web1: this version of the agent has no differencing',
    hint: /--tracker/,
  });
});

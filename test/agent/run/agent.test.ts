import t from 'tap';
import { Agent, type AgentWork } from '../../../agent/run/agent.js';
import type { ServerApi } from '../../../agent/run/server-api.js';
import { systemClock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog } from '../../../src/common/log.js';
import type {
  AgentTaskLine,
  DiscoveredMachine,
  ProtectedMachine,
  TaskOutcome,
} from '../../../src/protocol/agents-api.js';

const MACHINE: ProtectedMachine = { name: 'web', host: 'hv1', hostName: 'web', tracker: 'auto' };
const SEEN: DiscoveredMachine = {
  name: 'web',
  source: 'directory',
  state: 'off',
  volumes: [],
  skipped: [],
  configPaths: [],
};

t.test('an agent says that it lives for as long as it has a task', async (t) => {
  const over = new AbortController();
  let wasHeard = (): void => undefined;
  const heard = new Promise<void>((resolve) => (wasHeard = resolve));
  const events: string[] = [];
  async function* tasks(): AsyncGenerator<AgentTaskLine> {
    if (events.length === 0) yield { task: { kind: 'backup', id: 't1', machine: MACHINE } };
    await new Promise((resolve) => {
      over.signal.addEventListener('abort', resolve);
    });
  }
  const server: ServerApi = {
    tasks,
    report: () => Promise.resolve(),
    alive: () => {
      events.push('alive');
      if (events.length === 2) wasHeard();
      // One that is not heard is said again.
      return events.length === 1 ? Promise.reject(new UmbraError('SERVER_UNREACHABLE', 'away')) : Promise.resolve();
    },
    finish: ({ error }: TaskOutcome) => {
      events.push(error?.code ?? 'done');
      over.abort();
      return Promise.resolve();
    },
    connect: () => Promise.reject(new UmbraError('SERVER_UNREACHABLE', 'away')),
  };
  const work: AgentWork = {
    discover: () => Promise.resolve({ machines: [SEEN], notes: [] }),
    limit: () => undefined,
    recover: () => Promise.resolve(),
    forget: () => Promise.resolve(),
    backUp: async () => {
      await heard;
      throw new UmbraError('IMAGE_FAILED', 'no');
    },
  };
  const agent = new Agent({
    server,
    work,
    clock: systemClock,
    log: silentLog,
    discoverEveryMs: 60_000,
    maxBackups: 1,
    aliveEveryMs: 5,
  });
  await agent.run(over.signal);
  t.same([...new Set(events)], ['alive', 'IMAGE_FAILED']);
});

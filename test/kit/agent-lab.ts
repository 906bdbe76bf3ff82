import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { enrolAgent } from '../../agent/enrol/agent-identity.js';
import { parseAgentConfig } from '../../agent/run/agent-config.js';
import { runAgent } from '../../agent/run/run-agent.js';
import { systemClock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import { silentLog } from '../../src/common/log.js';
import type { Invitation } from '../../src/protocol/access-api.js';
import type { MachinesResult } from '../../src/protocol/agents-api.js';
import { openLocalEngine } from '../../src/server/local-engine.js';
import { StoreServer, type StoreServerOptions } from '../../src/server/store-server.js';
import { ask } from './api-client.js';
import { FakeMounts } from './fake-mounts.js';
import { runUmbra } from './run-umbra.js';
import { temporaryDirectory } from './temporary.js';

/** A server of a real store that listens at a port of this machine, and agents, all in this process. */
export interface AgentLab {
  readonly directory: string;
  readonly store: string;
  readonly port: number;
  /** A command that must succeed; its result. */
  readonly umbra: (...commandLine: readonly string[]) => Promise<unknown>;
  /** An agent that is enrolled and runs, with this configuration; resolves when the server knows what it sees. */
  readonly agent: (host: string, config: string) => Promise<RunningAgent>;
}

export interface RunningAgent {
  /** Where its state is. */
  readonly state: string;
  readonly stop: () => Promise<void>;
  readonly ended: Promise<void>;
}

export async function startAgentLab(
  t: Test,
  options: Partial<
    Pick<StoreServerOptions, 'schedule' | 'clock' | 'scrubDays' | 'openEngine' | 'store' | 'space'>
  > = {},
): Promise<AgentLab> {
  const directory = temporaryDirectory(t);
  const { store = join(directory, 'store') } = options;
  const server = await StoreServer.start({
    create: { mode: 'may' },
    clock: systemClock,
    log: silentLog,
    openEngine: openLocalEngine,
    openMounts: () => Promise.resolve(new FakeMounts()),
    listen: { address: { host: '127.0.0.1', port: 0 }, names: [] },
    ...options,
    store,
  });
  t.teardown(async () => {
    await server.stop();
    await server.ended;
  });
  const { listening = '' } = (await ask(store, 'GET', '/v1/status')).body as { readonly listening?: string };
  const port = Number(listening.split(':')[1]);
  const umbra: AgentLab['umbra'] = async (...commandLine) => {
    const { code, stdout, stderr } = await runUmbra([...commandLine, '--json'], store);
    if (code !== 0) throw new UmbraError('INTERNAL', `umbra ${commandLine.join(' ')}: ${code}\n${stderr}${stdout}`);
    return JSON.parse(stdout) as unknown;
  };
  const agent: AgentLab['agent'] = async (host, config) => {
    const state = join(directory, `agent-${host}`);
    mkdirSync(state, { recursive: true, mode: 0o700 });
    const { token } = (await umbra('agent', 'invite', host)) as Invitation;
    await enrolAgent({ server: { host: '127.0.0.1', port }, token, host, directory: state, clock: systemClock });
    const running = startAgent(t, state, `${config}\nstate: ${state}\nscratch: ${join(directory, 'scratch')}\n`);
    await seen(umbra, host);
    return running;
  };
  return { directory, store, port, umbra, agent };
}

/** Run an agent that is enrolled. */
export function startAgent(t: Test, state: string, config: string): RunningAgent {
  const stop = new AbortController();
  const ended = runAgent({
    config: parseAgentConfig(config, 'agent.yaml'),
    clock: systemClock,
    log: silentLog,
    signal: stop.signal,
  });
  ended.catch(() => undefined);
  const end = async (): Promise<void> => {
    stop.abort();
    await ended.catch(() => undefined);
  };
  t.teardown(end);
  return { state, stop: end, ended };
}

/** Wait until the server knows what an agent sees. */
async function seen(umbra: AgentLab['umbra'], host: string): Promise<void> {
  for (;;) {
    const { machines } = (await umbra('machines')) as MachinesResult;
    if (machines.some((machine) => machine.host === host && machine.isConnected)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

import { join } from 'node:path';
import type { Clock } from '../../src/common/clock.js';
import { isUmbraError, UmbraError } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import type { DiscoveryReport } from '../../src/protocol/agents-api.js';
import { makeDirectories } from '../../src/system/make-directory.js';
import { discover } from '../discovery/discover.js';
import { agentTransport, loadIdentity, type AgentIdentity } from '../enrol/agent-identity.js';
import { IdentityKeeper } from '../enrol/identity-keeper.js';
import { Agent } from './agent.js';
import type { AgentConfig } from './agent-config.js';
import { qmpDiscovery } from './discover-qmp.js';
import { hostTrackers } from './host-trackers.js';
import { HostWork } from './host-work.js';
import { httpServerApi } from './http-server-api.js';
import { takeState } from './state-directory.js';
import { oneAtATime } from './turns.js';

export interface RunAgentOptions {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Be the agent of this host, until the signal is aborted.
 * @throws {UmbraError} NOT_ENROLLED; AGENT_RUNNING if there is one already; UNAUTHENTICATED when the server has revoked it
 */
export async function runAgent(options: RunAgentOptions): Promise<void> {
  const identity = await loadIdentity(options.config.state);
  const giveBack = await takeState(options.config.state);
  try {
    await runAs(identity, options);
  } finally {
    await giveBack();
  }
}

async function runAs(identity: AgentIdentity, { config, clock, log, signal }: RunAgentOptions): Promise<void> {
  await makeDirectories(config.scratch);
  let transport = agentTransport(identity);
  const revoked = new AbortController();
  const keeper = new IdentityKeeper(identity, {
    directory: config.state,
    clock,
    log,
    renewed: (renewed) => {
      transport.close();
      transport = agentTransport(renewed);
    },
    revoked: () => {
      revoked.abort();
    },
  });
  const server = httpServerApi(() => transport);
  const work = new HostWork({
    discover: lookAround(config, clock),
    trackers: (machine, name) => hostTrackers({ config, clock, log }, machine, name),
    connect: server.connect,
    stateDirectory: config.state,
    clock,
    log,
  });
  const { backups: maxBackups, discoverSeconds } = config;
  const agent = new Agent({ server, work, clock, log, maxBackups, discoverEveryMs: discoverSeconds * 1000 });
  log.info('agent', { host: identity.host, server: identity.server });
  try {
    await agent.run(AbortSignal.any([signal, revoked.signal]));
  } catch (error) {
    if (!isUmbraError(error, 'UNAUTHENTICATED')) throw error;
    revoked.abort();
  } finally {
    keeper.close();
    transport.close();
    await work.close();
  }
  if (revoked.signal.aborted) throw isRevoked(identity.server);
}

function isRevoked(server: string): UmbraError {
  return new UmbraError('UNAUTHENTICATED', `the server ${server} knows this agent no longer`, {
    hint: '"umbra agent invite HOST" on the server prints the command that enrols it again.',
  });
}

function lookAround(config: AgentConfig, clock: Clock): () => Promise<DiscoveryReport> {
  const { libvirt, configFiles, directories, devices, state } = config;
  const guest = devices === undefined ? {} : { guest: { devices, namesFile: join(state, 'devices.json') } };
  const qmp = config.qmp.map(({ name, socket }) => ({ name, socket }));
  const discoverQmp = qmpDiscovery(config, clock);
  const parts = { discoverQmp, runtimeDirectory: process.env['XDG_RUNTIME_DIR'], clock };
  // QEMU talks to one at a time: two that look at once would be in each other's way.
  const where = { libvirt, qmp, configFiles, directories, ...guest };
  return oneAtATime(() => discover(where, parts));
}

import type { Progress } from '../protocol/api.js';
import { UmbraError } from '../common/errors.js';
import type { JobKind } from '../protocol/jobs-api.js';
import type { AgentBackupAnswer } from '../protocol/agents-api.js';
import { AGENTS, type Caller } from './caller.js';
import type { JobContext } from './job-context.js';
import * as answers from './answers/agent-answers.js';
import * as params from './agent-params.js';
import { operation, type Operation, type Services } from './operation.js';

/** How often it is looked how far an agent is. */
const PROGRESS_MS = 500;

/** Operations about agents' machines, and those that agents call. */
export const AGENT_OPERATIONS: readonly Operation[] = [
  operation({
    method: 'POST',
    route: '/v1/machines/list',
    answer: 'stream',
    summary: 'The machines that agents see, and those that are protected',
    details: 'Of one that is named it is said, too, how its newest shadow copy was made.',
    params: params.machinesParams,
    result: answers.machines,
    claim: () => ({ kind: 'machines' }),
    what: () => 'the machines',
    run: async ({ engine }, { discover, machine }, { signal }) => {
      if (discover) await engine.fleet().discover(signal);
      return machine === undefined ? engine.fleet().list() : await engine.fleet().describe(machine);
    },
  }),
  operation({
    method: 'POST',
    route: '/v1/machines/protect',
    answer: 'json',
    summary: 'Have an agent protect a machine',
    params: params.protectParams,
    result: answers.machineInfo,
    claim: () => ({ kind: 'machines' }),
    what: ({ machine }) => machine,
    run: async ({ engine, scheduling }, request) => {
      const info = await engine.fleet().protect(request);
      scheduling.changed();
      return info;
    },
  }),
  operation({
    method: 'POST',
    route: '/v1/machines/unprotect',
    answer: 'json',
    summary: 'Protect a machine no more',
    details:
      'Its shadow copies stay, and its replica becomes one. Its agent takes away what it kept to follow changes, which is waited for for 20 seconds; of a machine in ' +
      'which something was left the agent tries again.',
    params: params.unprotectParams,
    result: answers.unprotected,
    claim: () => ({ kind: 'machines' }),
    what: ({ machine }) => machine,
    run: async ({ engine, scheduling }, { machine }, { signal }) => {
      const unprotected = await engine.fleet().unprotect(machine, signal);
      scheduling.changed();
      return unprotected;
    },
  }),
  operation({
    method: 'POST',
    route: '/v1/machines/backup',
    answer: 'stream',
    summary: 'Have the agent of a machine make a shadow copy',
    params: params.agentBackupParams,
    result: answers.agentBackup,
    claim: ({ machine }) => ({ kind: 'request', machine }),
    what: ({ machine }) => `a backup of ${machine}`,
    run: (services, { machine }, context) => backUpWithProgress(services, machine, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/agent/machines',
    answer: 'json',
    summary: 'What the agent sees, all of it',
    permission: AGENTS,
    params: params.reportParams,
    result: answers.done,
    claim: () => ({ kind: 'agent' }),
    what: ({ machines }) => `${machines.length} machines`,
    run: ({ engine }, report, { caller }) => {
      engine.fleet().connections.report(hostOf(caller), report);
      return Promise.resolve({});
    },
  }),
  operation({
    method: 'POST',
    route: '/v1/agent/outcomes',
    answer: 'json',
    summary: 'How a task of the agent ended',
    permission: AGENTS,
    params: params.outcomeParams,
    result: answers.done,
    claim: () => ({ kind: 'agent' }),
    what: ({ id }) => `task ${id}`,
    run: ({ engine }, outcome, { caller }) => {
      engine.fleet().connections.finish(hostOf(caller), outcome);
      return Promise.resolve({});
    },
  }),
  operation({
    method: 'POST',
    route: '/v1/agent/alive',
    answer: 'json',
    summary: 'The agent lives, and is at its tasks',
    details: 'Said each minute while it has any: one that says nothing for ten minutes is no longer waited for.',
    permission: AGENTS,
    params: params.aliveParams,
    result: answers.done,
    claim: () => ({ kind: 'agent' }),
    what: () => 'an agent',
    run: ({ engine }, _nothing, { caller }) => {
      engine.fleet().connections.heard(hostOf(caller));
      return Promise.resolve({});
    },
  }),
];

/** Only agents call what this is asked for. */
export function hostOf(caller: Caller): string {
  if (caller.role === 'agent') return caller.host;
  throw new UmbraError('INTERNAL', 'only agents have a host');
}

/**
 * Have a machine's agent make a shadow copy, or bring its replica up to date, and tell how far it is. Where there is no room for it the machine is
 * not asked for anything: its guest would stand still for nothing.
 * @throws {UmbraError} STORE_FULL; as {@link Fleet.backUp}
 */
export async function backUpWithProgress(
  services: Services,
  machine: string,
  { signal, progress }: Pick<JobContext, 'signal' | 'progress'>,
  kind: JobKind = 'shadow-copy',
): Promise<AgentBackupAnswer> {
  await services.engine.space().assertRoom();
  return await withProgress(services, machine, progress, () => services.engine.fleet().backUp(machine, signal, kind));
}

/** Tell how far the upload of a machine is while `work` waits for its agent. */
async function withProgress<T>(
  { engine, clock }: Services,
  machine: string,
  progress: (progress: Progress) => void,
  work: () => Promise<T>,
): Promise<T> {
  let stop = (): void => undefined;
  const tell = (): void => {
    const upload = engine.uploads().progressOf(machine);
    progress(upload ?? { what: 'waiting for the agent', doneBytes: 0 });
    stop = clock.after(PROGRESS_MS, tell);
  };
  tell();
  try {
    return await work();
  } finally {
    stop();
  }
}

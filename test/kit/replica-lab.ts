import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { systemClock } from '../../src/common/clock.js';
import type { JobsResult } from '../../src/protocol/jobs-api.js';
import type { StoreServerOptions } from '../../src/server/store-server.js';
import { startAgentLab, type AgentLab } from './agent-lab.js';
import { ask, until } from './api-client.js';

/** On a busy machine, or where the agent was not there yet and it is tried again. */
const BUSY_MS = 90_000;
/** Asking is work, too, of the same process. */
const ASK_MS = 40;

export interface ReplicaLab extends AgentLab {
  /** Let a quarter of an hour pass, and with it a replication of the machine. */
  readonly replicate: (machine: string) => Promise<void>;
  /** Let so many minutes pass, a quarter of an hour without, and wait for nothing. */
  readonly pass: (minutes?: number) => Promise<void>;
  /** Wait until so many replications of each of these machines are done. */
  readonly untilDone: (machines: readonly string[], count: number) => Promise<void>;
  /** What a version is of a machine of one volume. */
  readonly restored: (version: string) => Promise<Buffer>;
}

/** A lab whose policies have machines replicated every quarter of an hour, and a shadow copy made each night. */
export async function startReplicaLab(
  t: Test,
  options: Partial<Pick<StoreServerOptions, 'openEngine' | 'store' | 'space'>> = {},
): Promise<ReplicaLab> {
  let aheadMs = 0;
  const clock = { ...systemClock, now: (): number => systemClock.now() + aheadMs };
  const lab = await startAgentLab(t, { schedule: true, clock, ...options });
  const policies = join(lab.directory, 'policies.yaml');
  const apply = async (): Promise<void> => {
    const soon = new Date(clock.now() + 12 * 3_600_000).toISOString().slice(11, 13);
    const rules = `{ shadowCopies: { daily: "${soon}:00" }, replicate: { every: 15min } }`;
    writeFileSync(policies, `default: d # ${aheadMs}\npolicies: { d: ${rules} }\n`);
    await lab.umbra('policy', 'apply', policies);
  };
  await apply();
  const done = async (machine: string): Promise<number> => {
    const { jobs } = (await ask(lab.store, 'POST', '/v1/jobs/list', { machine })).body as JobsResult;
    return jobs.filter(({ kind, state }) => kind === 'replicate' && state === 'done').length;
  };
  const untilDone = async (machines: readonly string[], count: number): Promise<void> => {
    await until(async () => {
      await sleep(ASK_MS);
      const counts = await Promise.all(machines.map(done));
      return counts.every((each) => each === count);
    }, BUSY_MS);
  };
  const pass = async (minutes = 16): Promise<void> => {
    aheadMs += minutes * 60_000;
    await apply();
  };
  const replicate = async (machine: string): Promise<void> => {
    const before = await done(machine);
    await (before > 0 ? pass() : apply());
    await untilDone([machine], before + 1);
  };
  const restored = async (version: string): Promise<Buffer> => {
    const target = join(lab.directory, 'restored');
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
    await lab.umbra('restore', version, '--to', target);
    return readFileSync(join(target, 'vda.raw'));
  };
  return { ...lab, replicate, pass, untilDone, restored };
}

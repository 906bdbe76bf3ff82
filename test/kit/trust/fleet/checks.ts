import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requests } from '../../../../src/client/requests.js';
import { isUmbraError } from '../../../../src/common/errors.js';
import type { AgentBackupAnswer } from '../../../../src/protocol/agents-api.js';
import type { Fleet } from './fleet.js';
import type { FleetMachine } from './machine.js';

/** Longer than anything may take on a busy machine: then it hangs. */
const HANG_MS = 600_000;
/** Between two requests to the server. */
const ASK_MS = 100;

/** A machine that is paused, or that nobody leads to, can't bring its file systems to rest. */
const NOT_FROZEN = /^the machine was paused|no hypervisor that is spoken to/;

/** Have a machine protected that the agent may not see yet. */
export async function protect(
  { server, agent }: Pick<Fleet, 'server' | 'agent'>,
  { name: machine, tracker = 'auto' }: Pick<FleetMachine, 'name' | 'tracker'>,
): Promise<void> {
  const tryOn = async (): Promise<void> => {
    for (;;) {
      try {
        await server.client.call(requests.protect({ machine, tracker }));
        return;
      } catch (error) {
        if (!isUmbraError(error, 'NOT_FOUND')) throw error;
      }
      agent.assertRunning();
      await sleep(ASK_MS);
    }
  };
  await inTime(tryOn(), `the agent sees ${machine}`);
}

/** Whatever happened to them, all machines and the agent are there again, and no guest stands still. */
export async function untilWell({ server, machines }: Fleet): Promise<void> {
  await inTime(server.untilQuiet(), 'the agent is there again');
  for (const machine of machines) {
    await inTime(untilRunning(machine), `${machine.name} runs again`);
    await inTime(untilThawed(machine), `${machine.name} is thawed`);
    await machine.followHint?.();
  }
}

/** A shadow copy of each machine, whose changes were known. @throws what one fails with */
export async function backUpAll({ machines, server }: Fleet): Promise<readonly AgentBackupAnswer[]> {
  const backups = machines.map(({ name }) => server.client.run(requests.backupByAgent({ machine: name })));
  const results = await inTime(Promise.allSettled(backups), 'backups end');
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    notEqual(result.value.tracker, 'scan', `${result.value.machine}: ${String(result.value.trackerReason)}`);
    return result.value;
  });
}

/** Both disks are of one instant if their counters are the same or the second is one behind. @param raw a file of each volume */
export function checkLockstep({ name, volumes }: FleetMachine, raw: (volume: string) => string): void {
  const [first, second] = volumes.map((volume) => counterOf(raw(volume)));
  ok(first !== undefined && (first === second || first - 1 === second), `${name}: counters ${first} and ${second}`);
}

/**
 * With all machines paused, shadow copies are what the disks are, the changes were known, and nothing is left behind.
 * @param directory for what is restored
 * @param assertQuiet that nothing runs in the server; what it does by itself may still
 */
export async function checkExact(
  fleet: Fleet,
  directory: string,
  assertQuiet = assertNoJobs,
): Promise<readonly AgentBackupAnswer[]> {
  const { machines, server } = fleet;
  const writeAndPause = async (machine: FleetMachine): Promise<void> => {
    await inTime(machine.writes(), `${machine.name} writes`);
    await machine.pause();
  };
  await Promise.all(machines.map(writeAndPause));
  const made = await backUpAll(fleet);
  for (const { machine, notes } of made) {
    const others = notes.filter((note) => !NOT_FROZEN.test(note));
    deepEqual(others, [], `${machine} is followed again`);
  }
  for (const machine of machines) {
    const { name } = machine;
    deepEqual(await machine.differences(await restoreNewest(server, name, directory)), [], `${name} is exact`);
    equal(await machine.state(), 'paused', `${name} is as it was`);
    deepEqual(await machine.left(), [], `nothing is left in ${name}`);
  }
  deepEqual(fleet.left(), [], 'nothing is left on the host');
  await assertQuiet(server);
  const writeOn = async (machine: FleetMachine): Promise<void> => {
    await machine.resume();
    await inTime(machine.writes(), `${machine.name} writes on`);
  };
  await Promise.all(machines.map(writeOn));
  return made;
}

async function assertNoJobs({ client }: Fleet['server']): Promise<void> {
  deepEqual((await client.call(requests.status())).jobs, []);
}

/** @returns the path of each volume of the newest shadow copy */
export async function restoreNewest(
  { client }: Fleet['server'],
  machine: string,
  directory: string,
): Promise<(volume: string) => string> {
  const to = join(directory, 'restored');
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to);
  await client.run(requests.restore({ machine, version: 'latest', to }));
  return (volume) => join(to, `${volume}.raw`);
}

/** What broke off says clearly that it did. */
export function assertClear(error: unknown): void {
  ok(isUmbraError(error) && error.code !== 'INTERNAL', String(error instanceof Error ? error.stack : error));
}

/** @throws Error if it takes longer than anything may */
export async function inTime<T>(work: Promise<T>, what: string): Promise<T> {
  const over = new AbortController();
  const late = sleep(HANG_MS, undefined, { signal: over.signal }).then(() => {
    throw new Error(`not within ${HANG_MS} ms: ${what}`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}

async function untilRunning(machine: FleetMachine): Promise<void> {
  for (let state = await machine.state(); state !== 'running'; state = await machine.state()) {
    if (machine.isOnFilledDisk === true && state === 'io-error') await machine.resume();
    await sleep(20);
  }
}

async function untilThawed(machine: FleetMachine): Promise<void> {
  while ((await machine.isThawed?.()) === false) await sleep(50);
}

function counterOf(file: string): number {
  const handle = openSync(file, 'r');
  const bytes = Buffer.alloc(4);
  readSync(handle, bytes, 0, bytes.length, 0);
  closeSync(handle);
  return bytes.readUInt32LE(0);
}

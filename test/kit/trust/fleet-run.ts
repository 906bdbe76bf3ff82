import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { mkdirSync, openSync, readSync, closeSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requests } from '../../../src/client/requests.js';
import { isUmbraError } from '../../../src/common/errors.js';
import type { AgentBackupAnswer } from '../../../src/protocol/agents-api.js';
import type { Random } from '../random.js';
import { startFleet, type Fleet } from './fleet/fleet.js';
import type { FleetMachine } from './fleet/machine.js';
import { strikesOf, type Strike } from './fleet/strikes.js';
import { Scope } from './scope.js';

/** Longer than anything may take on a busy machine: then it hangs. */
const HANG_MS = 180_000;
/** Where in a backup the strike comes, as a part of what backups took before. */
const LATEST_STRIKE = 1.2;
/** More shadow copies than this of a machine only make the checks slow. */
const MOST_LISTED = 4;

/** A machine that is paused, or that nobody leads to, can't bring its file systems to rest. */
const NOT_FROZEN = /^the machine was paused|no hypervisor that is spoken to/;

/** Machines that an agent backs up while everything that can fail does. */
export class FleetRun {
  /** How often what happened. */
  readonly counts = new Map<string, number>();
  readonly #scope = new Scope();
  readonly #directory: string;
  readonly #random: Random;
  readonly #withGuestAgent: boolean;
  #fleet: Fleet | undefined;
  #strikes: readonly Strike[] = [];
  #backupMs = 0;

  /** @param withGuestAgent - see {@link startFleet} */
  constructor(directory: string, random: Random, withGuestAgent = false) {
    this.#directory = directory;
    this.#random = random;
    this.#withGuestAgent = withGuestAgent;
  }

  /** Start everything, and make the first shadow copies. */
  async start(): Promise<void> {
    const fleet = await startFleet(this.#scope, this.#directory, this.#random, this.#withGuestAgent);
    this.#fleet = fleet;
    this.#strikes = strikesOf(fleet, this.#random);
    for (const machine of fleet.machines) await this.#protect(fleet, machine);
    await this.#backUpAll(fleet);
    // The first ones read everything.
    await this.#backUpAll(fleet);
  }

  /** The kinds of strikes. */
  get strikes(): readonly Strike[] {
    return this.#strikes;
  }

  /** @param wanted - of {@link strikes}; any when absent. @throws AssertionError if anything that was promised does not hold */
  async round(wanted?: Strike): Promise<string> {
    if (this.#fleet === undefined) await this.start();
    const fleet = this.#running();
    const strike = wanted ?? this.#anyStrike();
    await this.#strike(fleet, strike);
    await inTime(fleet.server.untilQuiet(), 'the agent is there again');
    for (const machine of fleet.machines) {
      await inTime(untilRunning(machine), `${machine.name} runs again`);
      await inTime(untilThawed(machine), `${machine.name} is thawed`);
      await machine.followHint?.();
    }
    await this.#backUpAll(fleet);
    for (const machine of fleet.machines) await this.#checkLockstep(fleet, machine);
    await this.#checkExact(fleet);
    await this.#forgetOld(fleet);
    this.counts.set(strike.name, (this.counts.get(strike.name) ?? 0) + 1);
    return strike.name;
  }

  /** The store is sound. @throws AssertionError */
  async verify(): Promise<void> {
    const { damaged, damagedObjects } = await this.#running().server.client.run(requests.verify({}));
    deepEqual({ damaged, damagedObjects }, { damaged: [], damagedObjects: [] });
  }

  /** Leaves nothing mounted and nothing running. */
  async end(): Promise<void> {
    await this.#scope.end();
  }

  #running(): Fleet {
    if (this.#fleet === undefined) throw new Error('the fleet was not started');
    return this.#fleet;
  }

  #anyStrike(): Strike {
    const strike = this.#strikes[this.#random.below(this.#strikes.length)];
    if (strike === undefined) throw new Error('there is nothing to happen');
    return strike;
  }

  async #protect({ server, agent }: Fleet, { name: machine, tracker = 'auto' }: FleetMachine): Promise<void> {
    const protect = async (): Promise<void> => {
      for (;;) {
        try {
          await server.client.call(requests.protect({ machine, tracker }));
          return;
        } catch (error) {
          if (!isUmbraError(error, 'NOT_FOUND')) throw error;
        }
        agent.assertRunning();
        await sleep(50);
      }
    };
    await inTime(protect(), `the agent sees ${machine}`);
  }

  /** Back everything up, strike in the midst, and make it good again. */
  async #strike({ machines, server }: Fleet, { strike, lasts = false }: Strike): Promise<void> {
    const backups = machines.map(({ name }) => server.client.run(requests.backupByAgent({ machine: name })));
    const all = inTime(Promise.allSettled(backups), 'backups end, one way or the other');
    await sleep(this.#random.fraction() * LATEST_STRIKE * this.#backupMs);
    const mend = await strike();
    if (lasts) await all;
    await mend();
    for (const result of await all) if (result.status === 'rejected') assertClear(result.reason);
  }

  /** @throws what one fails with */
  async #backUpAll({ machines, server }: Fleet): Promise<readonly AgentBackupAnswer[]> {
    const began = performance.now();
    const backups = machines.map(({ name }) => server.client.run(requests.backupByAgent({ machine: name })));
    const results = await inTime(Promise.allSettled(backups), 'backups end');
    this.#backupMs = performance.now() - began;
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      notEqual(result.value.tracker, 'scan', `${result.value.machine}: ${String(result.value.trackerReason)}`);
      return result.value;
    });
  }

  /** Both disks are of one instant if their counters are the same or the second is one behind. */
  async #checkLockstep({ server }: Fleet, { name, volumes }: FleetMachine): Promise<void> {
    const raw = await this.#restore(server, name);
    const [first, second] = volumes.map((volume) => counterOf(raw(volume)));
    ok(first !== undefined && (first === second || first - 1 === second), `${name}: counters ${first} and ${second}`);
  }

  /** With all machines paused, shadow copies are what the disks are, the changes were known, and nothing is left behind. */
  async #checkExact(fleet: Fleet): Promise<void> {
    const { machines, server } = fleet;
    const writeAndPause = async (machine: FleetMachine): Promise<void> => {
      await inTime(machine.writes(), `${machine.name} writes`);
      await machine.pause();
    };
    await Promise.all(machines.map(writeAndPause));
    for (const { machine, notes } of await this.#backUpAll(fleet)) {
      const others = notes.filter((note) => !NOT_FROZEN.test(note));
      deepEqual(others, [], `${machine} is followed again`);
    }
    for (const machine of machines) {
      const { name } = machine;
      deepEqual(await machine.differences(await this.#restore(server, name)), [], `${name} is exact`);
      equal(await machine.state(), 'paused', `${name} is as it was`);
      deepEqual(await machine.left(), [], `nothing is left in ${name}`);
    }
    deepEqual(fleet.left(), [], 'nothing is left on the host');
    deepEqual((await server.client.call(requests.status())).jobs, []);
    const writeOn = async (machine: FleetMachine): Promise<void> => {
      await machine.resume();
      await inTime(machine.writes(), `${machine.name} writes on`);
    };
    await Promise.all(machines.map(writeOn));
  }

  /** @returns the path of each volume of the newest shadow copy */
  async #restore({ client }: Fleet['server'], machine: string): Promise<(volume: string) => string> {
    const to = join(this.#directory, 'restored');
    rmSync(to, { recursive: true, force: true });
    mkdirSync(to);
    await client.run(requests.restore({ machine, version: 'latest', to }));
    return (volume) => join(to, `${volume}.raw`);
  }

  async #forgetOld({ machines, server: { client } }: Fleet): Promise<void> {
    let isAny = false;
    for (const { name } of machines) {
      const listed = await client.call(requests.list(name));
      const old = listed.slice(0, -MOST_LISTED).map(({ shadowCopy }) => ({ machine: name, version: shadowCopy }));
      if (old.length <= MOST_LISTED) continue;
      isAny = true;
      await client.run(requests.forget({ shadowCopies: old, dryRun: false, force: false }));
    }
    if (isAny) await client.run(requests.gc());
  }
}

/** What broke off says clearly that it did. */
function assertClear(error: unknown): void {
  ok(isUmbraError(error) && error.code !== 'INTERNAL', String(error instanceof Error ? error.stack : error));
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

async function inTime<T>(work: Promise<T>, what: string): Promise<T> {
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

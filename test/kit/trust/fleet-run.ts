import { deepEqual } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { requests } from '../../../src/client/requests.js';
import type { Random } from '../random.js';
import {
  assertClear,
  backUpAll,
  checkExact,
  checkLockstep,
  inTime,
  protect,
  restoreNewest,
  untilWell,
} from './fleet/checks.js';
import { startFleet, type Fleet } from './fleet/fleet.js';
import { strikesOf, type Strike } from './fleet/strikes.js';
import { Scope } from './scope.js';

/** Where in a backup the strike comes, as a part of what backups took before. */
const LATEST_STRIKE = 1.2;
/** More shadow copies than this of a machine only make the checks slow. */
const MOST_LISTED = 4;

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
    const withGuestAgent = this.#withGuestAgent;
    const fleet = await startFleet(this.#scope, this.#directory, this.#random, { withGuestAgent });
    this.#fleet = fleet;
    this.#strikes = strikesOf(fleet, this.#random);
    for (const machine of fleet.machines) await protect(fleet, machine);
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
    await untilWell(fleet);
    await this.#backUpAll(fleet);
    for (const machine of fleet.machines) {
      checkLockstep(machine, await restoreNewest(fleet.server, machine.name, this.#directory));
    }
    await checkExact(fleet, this.#directory);
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
  async #backUpAll(fleet: Fleet): Promise<void> {
    const began = performance.now();
    await backUpAll(fleet);
    this.#backupMs = performance.now() - began;
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

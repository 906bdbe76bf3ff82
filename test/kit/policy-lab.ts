import type { Test } from 'tap';
import { shadowCopyName } from '../../src/common/names.js';
import type { HeldMachine } from '../../src/protocol/changes-api.js';
import { acknowledge, heldMachines } from '../../src/server/held-machines.js';
import { PolicyService } from '../../src/server/policy-service.js';
import type { Forget } from '../../src/store/one-stays.js';
import type { Store } from '../../src/store/store.js';
import type { Engine, OpenEngine } from '../../src/server/engine.js';
import { FakeEngine, openFakeEngine } from './fake-engine.js';
import { startFakeServer } from './fake-store.js';
import { ManualClock } from './manual-clock.js';
import { makeEmpty, memoryDatabases, openTestStore } from './test-store.js';

/** 2026-11-29 08:00 UTC, a Sunday. */
export const LAB_NOW_MS = Date.UTC(2026, 10, 29, 8);
const DAY_MS = 86_400_000;

/** A store in memory with its policies, and a server over it of which nothing else is real. */
export interface PolicyLab {
  readonly store: Store;
  readonly service: PolicyService;
  readonly clock: ManualClock;
  /** Begins the server. @returns the directory of its store */
  readonly serve: () => Promise<string>;
}

/** @param beforeForget called with the store before each shadow copy is deleted */
export async function policyLab(
  t: Test,
  beforeForget: (store: Store) => Promise<void> = () => Promise.resolve(),
): Promise<PolicyLab> {
  const clock = new ManualClock(LAB_NOW_MS);
  const store = await openTestStore(memoryDatabases(), undefined, { clock });
  const forget: Forget = async (listing, options) => {
    await beforeForget(store);
    return await store.forget(listing, options);
  };
  const service = new PolicyService({ store: () => store, clock, forget });
  return {
    store,
    service,
    clock,
    serve: async () => {
      const openEngine: OpenEngine = async (options) =>
        new PolicyEngine(options.store, service, await openFakeEngine(options), store);
      return (await startFakeServer(t, { openEngine })).store;
    },
  };
}

/** A shadow copy at the same time of each of so many days, the last one of an hour ago. @returns their names, the newest first */
export async function daily(store: Store, machine: string, days: number): Promise<string[]> {
  const names: string[] = [];
  for (let day = days - 1; day >= 0; day -= 1) {
    const timeMs = LAB_NOW_MS - 3_600_000 - day * DAY_MS;
    await makeEmpty(store, machine, timeMs);
    names.unshift(shadowCopyName(timeMs));
  }
  return names;
}

class PolicyEngine extends FakeEngine {
  readonly #service: PolicyService;
  readonly #locked: Engine;
  readonly #content: Store;

  constructor(store: string, service: PolicyService, locked: Engine, content: Store) {
    super(store);
    this.#content = content;
    this.#service = service;
    this.#locked = locked;
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#locked.close();
  }

  override heldMachines(): readonly HeldMachine[] {
    return heldMachines(this.#content);
  }

  override acknowledge(machine: string, by: string): Promise<HeldMachine> {
    return acknowledge(this.#content, machine, by);
  }

  override policies(): PolicyService {
    return this.#service;
  }
}

/** As {@link daily}, of a machine that is written anew with the third newest of them, and after that changes as before. */
export async function dailyWithSuddenChange(store: Store, machine: string, days: number): Promise<string[]> {
  const names: string[] = [];
  for (let day = days - 1; day >= 0; day -= 1) {
    const timeMs = LAB_NOW_MS - 3_600_000 - day * DAY_MS;
    const changedBytes = (day === 2 ? 5000 : 20) * 1024 ** 2;
    const change = { name: 'vda', comparedBytes: 6 * 1024 ** 3, changedBytes, storedBytes: 0, incompressibleBytes: 0 };
    await makeEmpty(store, machine, timeMs, [change]);
    names.unshift(shadowCopyName(timeMs));
  }
  return names;
}

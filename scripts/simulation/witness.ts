import type { PruneRequest, PruneResult } from '../../src/protocol/policies-api.js';
import type { Listing } from '../../src/store/catalog.js';
import type { Circumstances } from './circumstances.js';
import type { Model, ModelMachine, Pending, PruneBegin } from './model.js';
import type { ServerLife } from './server-life.js';
import { documentText } from './sim-policies.js';
import type { Verdict } from './verdict.js';

export interface WitnessParts {
  readonly model: Model;
  readonly verdict: Verdict;
  readonly circumstances: Circumstances;
}

/** Sees what is listed, deleted and pruned in a server's store, and compares it with the model. */
export class Witness {
  /** `MACHINE@NAME` of what is being deleted, or of which nobody knows. */
  readonly #forgetting = new Set<string>();
  readonly #model: Model;
  readonly #verdict: Verdict;
  readonly #circumstances: Circumstances;

  constructor({ model, verdict, circumstances }: WitnessParts) {
    this.#model = model;
    this.#verdict = verdict;
    this.#circumstances = circumstances;
  }

  async forget(life: ServerLife, { machine, name }: Listing, forget: () => Promise<boolean>): Promise<boolean> {
    const key = `${machine}@${name}`;
    this.#forgetting.add(key);
    const isDone = await forget();
    if (!life.isAlive) return isDone;
    this.#forgetting.delete(key);
    if (isDone) this.#model.deleted(this.#model.machine(machine), name, 'deleted');
    return isDone;
  }

  async prune(life: ServerLife, request: PruneRequest, prune: () => Promise<PruneResult>): Promise<PruneResult> {
    const names = request.machines ?? [...this.#model.machines.keys()];
    const begins = names.map((name) => {
      const machine = this.#model.machine(name);
      return { machine, begin: this.#model.beginPrune(machine), forgotten: machine.forgotten };
    });
    let isWhole = false;
    try {
      const result = await prune();
      isWhole = true;
      return result;
    } finally {
      if (life.isAlive && !request.dryRun) for (const one of begins) this.#checkPruned(one, isWhole);
    }
  }

  #checkPruned({ machine, begin, forgotten }: PruneOf, isWhole: boolean): void {
    const left = new Set(machine.points.map(({ name }) => name));
    const deleted = new Set(begin.points.filter(({ name }) => !left.has(name)).map(({ name }) => name));
    const isSame = machine.changes === begin.changes + deleted.size && machine.forgotten === forgotten;
    const isAsThen =
      begin.setMs === this.#circumstances.setMs &&
      begin.document === this.#model.document &&
      !machine.isChanging &&
      this.#model.next === undefined;
    if (isSame && isAsThen) this.#model.pruned(machine, begin, deleted, isWhole);
  }

  /** What a store has listed when it is opened is what is to be listed; of what was under way when the server ended either is right. */
  reconcile(life: ServerLife): void {
    const { catalog } = life.store;
    for (const name of new Set([...this.#model.machines.keys(), ...catalog.machines()])) {
      const machine = this.#model.machine(name);
      this.#reconcileMachine(machine, catalog.shadowCopies(name));
      machine.pending = [];
    }
    this.#forgetting.clear();
    this.#learn(life);
  }

  /** Of what an administrator wanted when a server died the store says whether it holds. */
  #learn({ store: { settings } }: ServerLife): void {
    const model = this.#model;
    if (model.next !== undefined && settings.policies === documentText(model.next)) model.apply(model.next);
    model.next = undefined;
    for (const machine of model.machines.values()) {
      const host = settings.machines.find(({ name }) => name === machine.name)?.host;
      const text = (): string => `protected by ${host ?? 'nobody'}, not by ${machine.host ?? 'nobody'}`;
      const isRight = machine.isChanging || host === machine.host;
      this.#verdict.check('listed as in the model', isRight, machine.name, text);
      if (host !== machine.host) model.protect(machine.name, host);
      machine.isChanging = false;
    }
  }

  /** What one machine has listed now. */
  match(life: ServerLife, machine: ModelMachine): void {
    this.#reconcileMachine(machine, life.store.catalog.shadowCopies(machine.name));
  }

  #reconcileMachine(machine: ModelMachine, listings: readonly Listing[]): void {
    const listed = new Map(listings.map((listing) => [listing.name, listing]));
    for (const { name } of [...machine.points]) {
      if (listed.has(name)) continue;
      const isDoubtful = this.#forgetting.has(`${machine.name}@${name}`);
      this.#verdict.check('listed as in the model', isDoubtful, machine.name, () => `${name} is gone`);
      this.#model.deleted(machine, name, 'deleted at the end');
    }
    for (const { name, timeMs } of listings) {
      if (machine.points.some((point) => point.name === name)) continue;
      const pending = nearest(machine.pending, timeMs);
      const text = (): string => `${name} is listed, and nobody made it`;
      if (!this.#verdict.check('listed as in the model', pending !== undefined, machine.name, text)) continue;
      if (pending === undefined) continue;
      machine.pending = machine.pending.filter((other) => other !== pending);
      this.#model.made(machine, { name, timeMs }, pending);
    }
    const order = new Map(listings.map(({ name }, index) => [name, index]));
    machine.points.sort((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0));
  }
}

interface PruneOf {
  readonly machine: ModelMachine;
  readonly begin: PruneBegin;
  readonly forgotten: number;
}

function nearest(pending: readonly Pending[], timeMs: number): Pending | undefined {
  return [...pending].sort((a, b) => Math.abs(a.wallMs - timeMs) - Math.abs(b.wallMs - timeMs))[0];
}

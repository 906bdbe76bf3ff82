import { isUmbraError } from '../../src/common/errors.js';
import { JOB_KINDS, type JobKind } from '../../src/protocol/jobs-api.js';
import type { PruneRequest, PruneResult } from '../../src/protocol/policies-api.js';
import type { Listing } from '../../src/store/catalog.js';
import type { KeptReplica } from '../../src/store/commits.js';
import type { Circumstances } from './circumstances.js';
import type { Model, Named, PruneBegin } from './model.js';
import type { ModelMachine, Pending, Point } from './model-machine.js';
import type { ServerLife } from './server-life.js';
import { documentText } from './sim-policies.js';
import type { Verdict } from './verdict.js';
import type { WorldClock } from './world-clock.js';

const SHADOW_COPY: readonly JobKind[] = ['shadow-copy'];
const REPLICATE: readonly JobKind[] = ['replicate'];

export interface WitnessParts {
  readonly model: Model;
  readonly verdict: Verdict;
  readonly circumstances: Circumstances;
  readonly clock: WorldClock;
}

/** A point that an agent has heard to be there. */
interface Heard {
  readonly name: string;
  readonly pending: Pending;
}

/** Somebody has a replica made a shadow copy, and nobody knows yet whether it is one. */
interface Keeping {
  readonly askedMs: number;
  readonly replica: Point | undefined;
}

/** Sees what is listed, deleted and pruned in a server's store, and compares it with the model. */
export class Witness {
  /** `MACHINE@NAME` of what is being deleted, or of which nobody knows. */
  readonly #forgetting = new Set<string>();
  /** By machine. */
  readonly #keeping = new Map<string, readonly Keeping[]>();
  readonly #model: Model;
  readonly #verdict: Verdict;
  readonly #circumstances: Circumstances;
  readonly #clock: WorldClock;

  constructor({ model, verdict, circumstances, clock }: WitnessParts) {
    this.#clock = clock;
    this.#model = model;
    this.#verdict = verdict;
    this.#circumstances = circumstances;
  }

  async forget(life: ServerLife, listing: Listing, forget: () => Promise<boolean>): Promise<boolean> {
    const { machine, name, isReplica } = listing;
    const key = `${machine}@${name}`;
    this.#forgetting.add(key);
    let isDone: boolean;
    try {
      isDone = await forget();
    } catch (error) {
      if (isUmbraError(error, 'LAST_SHADOW_COPY', 'SHADOW_COPY_OPEN', 'SHADOW_COPY_PROTECTED'))
        this.#forgetting.delete(key);
      throw error;
    }
    if (!life.isAlive) return isDone;
    const known = this.#model.machine(machine);
    // One that was replaced just before is gone already.
    if (isReplica === true) this.match(life, known);
    this.#forgetting.delete(key);
    if (isDone && isReplica !== true) this.#model.deleted(known, name, 'deleted');
    return isDone;
  }

  /** Make a shadow copy of a machine's replica. */
  async keep(life: ServerLife, name: string, keep: () => Promise<KeptReplica>): Promise<KeptReplica> {
    const machine = this.#model.machine(name);
    const keeping = { askedMs: this.#clock.passedMs, replica: machine.replica };
    this.#keeping.set(name, [...this.#keepingOf(name), keeping]);
    // Of what failed something may be there all the same, when the store is opened the next time.
    const kept = await keep();
    if (!life.isAlive) return kept;
    this.match(life, machine);
    this.#keeping.set(
      name,
      this.#keepingOf(name).filter((other) => other !== keeping),
    );
    return kept;
  }

  #keepingOf(machine: string): readonly Keeping[] {
    return this.#keeping.get(machine) ?? [];
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

  /** What a store has when it is opened is what is to be there; of what was under way when the server ended either is right. */
  reconcile(life: ServerLife): void {
    const { catalog } = life.store;
    const replicated = catalog.replicas().map(({ machine }) => machine);
    for (const name of new Set([...this.#model.machines.keys(), ...catalog.machines(), ...replicated])) {
      const machine = this.#model.machine(name);
      this.match(life, machine);
      machine.pending = [];
    }
    this.#forgetting.clear();
    this.#keeping.clear();
    this.#learn(life);
  }

  /** Of what an administrator wanted when a server died the store says whether it holds. */
  #learn({ store: { settings } }: ServerLife): void {
    const model = this.#model;
    const { refusals } = model;
    const refused = refusals.all.flatMap((refusal) => ('document' in refusal ? [refusal.document] : []));
    const wanted = [model.next, ...refused].find((one) => one && settings.policies === documentText(one));
    if (wanted !== undefined) model.apply(wanted);
    model.next = undefined;
    for (const machine of model.machines.values()) {
      const host = settings.machines.find(({ name }) => name === machine.name)?.host;
      const text = (): string => `protected by ${host ?? 'nobody'}, not by ${machine.host ?? 'nobody'}`;
      const isRight = machine.isChanging || host === machine.host || refusals.mayProtect(machine.name, host);
      this.#verdict.check('listed as in the model', isRight, machine.name, text);
      if (host !== machine.host) model.protect(machine.name, host);
      machine.isChanging = false;
    }
    refusals.clear();
  }

  /** What one machine has now. @param heard what its agent was told just now, if it was */
  match({ store: { catalog } }: ServerLife, machine: ModelMachine, heard?: Heard): void {
    const listings = catalog.shadowCopies(machine.name);
    this.#matchGone(machine, new Set(listings.map(({ name }) => name)));
    for (const listing of listings) this.#matchListed(machine, listing, heard);
    const order = new Map(listings.map(({ name }, index) => [name, index]));
    machine.points.sort((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0));
    this.#matchReplica(machine, catalog.replica(machine.name), heard);
  }

  #matchGone(machine: ModelMachine, listed: ReadonlySet<string>): void {
    for (const { name } of [...machine.points]) {
      if (listed.has(name)) continue;
      const isDoubtful = this.#forgetting.has(`${machine.name}@${name}`);
      this.#verdict.check('listed as in the model', isDoubtful, machine.name, () => `${name} is gone`);
      this.#model.deleted(machine, name, 'deleted at the end');
    }
  }

  #matchListed(machine: ModelMachine, { name, timeMs }: Listing, heard: Heard | undefined): void {
    if (machine.points.some((point) => point.name === name)) return;
    const keeping = this.#keepingOf(machine.name);
    const kept = keeping.find(({ replica }) => replica?.name === name);
    if (kept?.replica !== undefined) {
      this.#model.kept(machine, kept.replica, kept.askedMs);
      return;
    }
    // A replica may be kept before anybody has heard of it.
    const kinds = keeping.length === 0 ? SHADOW_COPY : JOB_KINDS;
    const pending = this.#take(machine, { name, timeMs }, kinds, heard);
    const text = (): string => `${name} is listed, and nobody made it`;
    if (!this.#verdict.check('listed as in the model', pending !== undefined, machine.name, text)) return;
    if (pending !== undefined) this.#model.made(machine, { name, timeMs }, pending);
  }

  #matchReplica(machine: ModelMachine, replica: Listing | undefined, heard: Heard | undefined): void {
    const known = machine.replica;
    const check = (holds: boolean, text: string): boolean =>
      this.#verdict.check('replica as in the model', holds, machine.name, () => text);
    if (replica === undefined) {
      if (known === undefined) return;
      check(this.#forgetting.has(`${machine.name}@${known.name}`), `${known.name}, the replica, is gone`);
      this.#model.dropped(machine);
      return;
    }
    const { name, timeMs } = replica;
    if (known?.name === name && known.timeMs === timeMs) return;
    if (!check(!machine.wasReplica(name, timeMs), `${name}, which was replaced, is the replica again`)) return;
    const pending = this.#take(machine, { name, timeMs }, REPLICATE, heard);
    const text = `${name} is the replica, not ${known?.name ?? 'none'}, and nobody replicated it`;
    if (check(pending !== undefined, text) && pending !== undefined)
      this.#model.replicated(machine, { name, timeMs }, pending);
  }

  /** What an agent sent that is there as `named`. */
  #take(machine: ModelMachine, named: Named, kinds: readonly JobKind[], heard: Heard | undefined): Pending | undefined {
    const candidates = machine.pending.filter(({ kind }) => kinds.includes(kind));
    const others = candidates.filter((other) => other !== heard?.pending);
    const pending =
      heard?.name === named.name ? candidates.find((other) => other === heard.pending) : nearest(others, named.timeMs);
    machine.pending = machine.pending.filter((other) => other !== pending);
    return pending;
  }

  /** What an agent has heard to be there is there. */
  heard(life: ServerLife, machine: ModelMachine, heard: Heard): void {
    this.match(life, machine, heard);
    const { name } = heard;
    const isThere = machine.replica?.name === name || machine.points.some((point) => point.name === name);
    const text = (): string => `${name} was acknowledged, and is not there`;
    const invariant = heard.pending.kind === 'replicate' ? 'replica as in the model' : 'listed as in the model';
    this.#verdict.check(invariant, isThere, machine.name, text);
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

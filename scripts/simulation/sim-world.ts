import { setImmediate } from 'node:timers/promises';
import { messageOf, UmbraError } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import type { PruneRequest, PruneResult } from '../../src/protocol/policies-api.js';
import type { Listing } from '../../src/store/catalog.js';
import { Random } from '../../test/kit/random.js';
import { checkIndex } from './checks.js';
import { Circumstances } from './circumstances.js';
import type { FaultKind } from './options.js';
import { History } from './history.js';
import { Model, type ModelMachine, type Pending, type PruneBegin } from './model.js';
import { ServerLife } from './server-life.js';
import type { SimAgent } from './sim-agent.js';
import { SimDisk } from './sim-disk.js';
import { documentText, type SimDocument } from './sim-policies.js';
import { Verdict } from './verdict.js';
import { Watch } from './watch.js';
import { WorldClock } from './world-clock.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Modules that are loaded already are there after some turns of the event loop. */
const TURNS_OF_IMPORTS = 20;

export interface WorldOptions {
  readonly seed: number;
  readonly startMs: number;
  readonly faults: ReadonlySet<FaultKind>;
  readonly document: SimDocument;
  /** Told of all that happens. */
  readonly tell: (line: string) => void;
}

/** All that there is: hosts with their machines, one server after another, its disk, and what must be true of them. */
export class SimWorld {
  readonly clock: WorldClock;
  readonly circumstances: Circumstances;
  readonly verdict = new Verdict();
  readonly history: History;
  readonly model: Model;
  readonly watch: Watch;
  readonly disk: SimDisk;
  readonly faults: ReadonlySet<FaultKind>;
  readonly agents = new Map<string, SimAgent>();
  /** Machines whose shadow copies are made since they are due, and where. */
  readonly running = new Map<string, string>();
  /** Machines that somebody has a shadow copy made of. */
  readonly byHand = new Set<string>();
  /** Objects that were damaged, and when the server has found that out. */
  readonly damaged = new Map<string, { foundMs: number | undefined }>();
  /** What is to be done for which the world has to go on meanwhile, one after the other. */
  readonly tasks: (() => Promise<void>)[] = [];
  life: ServerLife | undefined;
  readonly #seed: number;
  /** `MACHINE@NAME` of what is being deleted, or of which nobody knows. */
  readonly #forgetting = new Set<string>();
  #boots = 1;
  #bootedMs = 0;
  #isPowerCut = false;
  #isStarting = false;
  readonly #crashes: Random;

  constructor({ seed, startMs, faults, document, tell }: WorldOptions) {
    this.#seed = seed;
    this.faults = faults;
    this.clock = new WorldClock(startMs);
    this.circumstances = new Circumstances(this.clock);
    this.history = new History(this.clock, tell);
    const { clock, circumstances, verdict, history } = this;
    this.model = new Model({ clock, circumstances, verdict, history }, document);
    this.watch = new Watch({ clock, circumstances, verdict, model: this.model });
    const reused = (sequence: number): void => {
      verdict.check('sequence numbers once', false, '', () => `${sequence} was used before`);
    };
    this.disk = new SimDisk({ clock, random: this.random('disk'), reused });
    this.#crashes = this.random('crashes');
  }

  /** One for each purpose, so that what one thing draws changes nothing of another. */
  random(purpose: string): Random {
    let mixed = this.#seed;
    for (const character of purpose) mixed = Math.imul(mixed ^ character.charCodeAt(0), 0x01000193) >>> 0;
    return new Random(mixed);
  }

  get isWrong(): boolean {
    return this.verdict.violation !== undefined;
  }

  /**
   * Let the world go on until this has ended.
   * @param turns of the event loop after which nothing happens any more without time passing
   * @returns undefined if the server dies first
   */
  async pump<T>(work: Promise<T>, turns = 1): Promise<{ readonly value: T } | { readonly error: unknown } | undefined> {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    work.then(
      (value) => (outcome = { value }),
      (error: unknown) => (outcome = { error }),
    );
    const { life } = this;
    const settle = async (): Promise<void> => {
      for (let turn = 0; turn < turns; turn += 1) await setImmediate();
    };
    await settle();
    while (outcome === undefined && life?.isAlive !== false && !this.isWrong) {
      if (!this.clock.next(Infinity)) throw new UmbraError('INTERNAL', 'the simulated world stands still');
      await settle();
    }
    return outcome;
  }

  /** No server is there, and none is to begin. */
  get isIdle(): boolean {
    return this.life === undefined && !this.#isStarting;
  }

  get isServing(): boolean {
    return this.life?.isServing === true;
  }

  startLater(delayMs: number): void {
    this.#isStarting = true;
    this.clock.after(delayMs, () => this.tasks.push(() => this.startServer()));
  }

  /** Begin a server's life, and let it do what is due; or with the store open and nothing else. */
  async startServer(isScheduling = true): Promise<void> {
    this.#isStarting = false;
    this.byHand.clear();
    if (this.#isPowerCut) {
      await checkIndex(this);
      this.#boots += 1;
      this.#bootedMs = this.clock.passedMs;
      this.#isPowerCut = false;
    }
    const life = new ServerLife({
      clock: this.clock,
      disk: this.disk,
      random: this.random(`life ${this.clock.passedMs}`),
      boot: () => ({ id: `boot${this.#boots}`, uptimeMs: this.clock.passedMs - this.#bootedMs }),
      log: this.#log(() => life.isAlive),
      forgetting: (listing, forget) => this.#forget(life, listing, forget),
      pruning: (request, prune) => this.#prune(life, request, prune),
      onDeath: () => {
        this.#died();
      },
    });
    this.life = life;
    this.circumstances.storeOpen();
    if (this.faults.has('crashes')) life.writesLeft = this.#lifetime();
    const opened = await this.pump(life.open(), TURNS_OF_IMPORTS);
    if (opened === undefined) return;
    const { verdict } = this;
    const isOpen = 'value' in opened;
    const text = (): string => ('error' in opened ? messageOf(opened.error) : '');
    if (!verdict.check('opens after each end', isOpen, '', text)) return;
    this.reconcile(life);
    this.history.add('server started');
    this.watch.breaches.clear();
    if (!isScheduling) return;
    await this.pump(life.start(), TURNS_OF_IMPORTS);
    if (!life.isAlive) return;
    this.circumstances.serverUp();
    for (const agent of this.agents.values()) agent.connect(life);
  }

  /** Writes until it dies: some die at once, most after weeks. */
  #lifetime(): number {
    const random = this.#crashes;
    return random.chance(0.3) ? random.between(1, 300) : random.between(1000, 40_000);
  }

  /** An orderly end. */
  async stopServer(): Promise<void> {
    const { life } = this;
    if (life?.isAlive !== true) return;
    for (const agent of this.agents.values()) agent.disconnect(false);
    this.circumstances.upSinceMs = undefined;
    await this.pump(life.stop());
    if (!life.isAlive && this.life === life) this.#ended('server stopped');
    this.#abandonTasks();
  }

  /** A server that was killed, or whose power was cut. */
  #died(): void {
    const random = this.#crashes;
    this.#isPowerCut = this.faults.has('power-cuts') && random.chance(0.5);
    this.#ended(this.#isPowerCut ? 'power cut' : 'server killed');
    this.disk.resetReserve();
    if (this.#isPowerCut) this.disk.cutPower();
    this.#abandonTasks();
    const downMs = random.chance(0.75)
      ? random.between(1, 30) * MINUTE_MS
      : random.between(1, random.chance(0.2) ? 150 : 24) * HOUR_MS;
    this.startLater(downMs);
  }

  #ended(what: string): void {
    this.life = undefined;
    this.circumstances.serverDown();
    this.history.add(what);
  }

  /** Agents give up what nobody waits for any more. */
  #abandonTasks(): void {
    for (const agent of this.agents.values()) agent.disconnect(true);
  }

  #log(isAlive: () => boolean): Log {
    const hear = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      if (!isAlive()) return;
      const machine = String(fields['machine'] ?? '');
      if (message === 'data loss beyond what is acceptable') {
        this.watch.breaches.add(machine);
        this.history.add('breach', machine);
      } else if (message === 'data loss acceptable again') {
        this.watch.breaches.delete(machine);
        this.history.add('breach over', machine);
      } else if (message === 'job failed by a defect') {
        this.verdict.check('job records', false, '', () => String(fields['error']));
      } else if (message === 'job done' && fields['kind'] === 'gc') this.history.add('collected');
    };
    return { info: hear, warn: hear, error: hear };
  }

  async #forget(life: ServerLife, { machine, name }: Listing, forget: () => Promise<void>): Promise<void> {
    const key = `${machine}@${name}`;
    this.#forgetting.add(key);
    await forget();
    if (!life.isAlive) return;
    this.#forgetting.delete(key);
    this.model.deleted(this.model.machine(machine), name, 'deleted');
  }

  async #prune(life: ServerLife, request: PruneRequest, prune: () => Promise<PruneResult>): Promise<PruneResult> {
    const names = request.machines ?? [...this.model.machines.keys()];
    const begins = names.map((name) => {
      const machine = this.model.machine(name);
      return { machine, begin: this.model.beginPrune(machine), forgotten: machine.forgotten };
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
      begin.setMs === this.circumstances.setMs &&
      begin.document === this.model.document &&
      !machine.isChanging &&
      this.model.next === undefined;
    if (isSame && isAsThen) this.model.pruned(machine, begin, deleted, isWhole);
  }

  /** What a store has listed when it is opened is what is to be listed; of what was under way when the server ended either is right. */
  reconcile(life: ServerLife): void {
    const { catalog } = life.store;
    for (const name of new Set([...this.model.machines.keys(), ...catalog.machines()])) {
      const machine = this.model.machine(name);
      this.#reconcileMachine(machine, catalog.shadowCopies(name));
      machine.pending = [];
    }
    this.#forgetting.clear();
    this.#learn(life);
  }

  /** Of what an administrator wanted when a server died the store says whether it holds. */
  #learn({ store: { settings } }: ServerLife): void {
    const { model } = this;
    if (model.next !== undefined && settings.policies === documentText(model.next)) model.apply(model.next);
    model.next = undefined;
    for (const machine of model.machines.values()) {
      const host = settings.machines.find(({ name }) => name === machine.name)?.host;
      const text = (): string => `protected by ${host ?? 'nobody'}, not by ${machine.host ?? 'nobody'}`;
      const isRight = machine.isChanging || host === machine.host;
      this.verdict.check('listed as in the model', isRight, machine.name, text);
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
      this.verdict.check('listed as in the model', isDoubtful, machine.name, () => `${name} is gone`);
      this.model.deleted(machine, name, 'deleted at the end');
    }
    for (const { name, timeMs } of listings) {
      if (machine.points.some((point) => point.name === name)) continue;
      const pending = nearest(machine.pending, timeMs);
      const text = (): string => `${name} is listed, and nobody made it`;
      if (!this.verdict.check('listed as in the model', pending !== undefined, machine.name, text)) continue;
      if (pending === undefined) continue;
      machine.pending = machine.pending.filter((other) => other !== pending);
      this.model.made(machine, { name, timeMs }, pending);
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

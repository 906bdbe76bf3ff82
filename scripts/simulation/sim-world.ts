import { setImmediate } from 'node:timers/promises';
import { messageOf, UmbraError } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import { Random } from '../../test/kit/random.js';
import { checkIndex } from './checks.js';
import { Circumstances } from './circumstances.js';
import type { FaultKind } from './options.js';
import { History } from './history.js';
import { Load } from './load.js';
import { Model } from './model.js';
import type { ModelMachine, Pending } from './model-machine.js';
import type { Planting } from './planting.js';
import { ServerLife } from './server-life.js';
import type { SimAgent } from './sim-agent.js';
import { SimDisk } from './sim-disk.js';
import type { SimDocument } from './sim-policies.js';
import { Verdict } from './verdict.js';
import { Watch } from './watch.js';
import { Witness } from './witness.js';
import { WorldClock } from './world-clock.js';
import type { Outcome } from './world-parts.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** What modules that are loaded already begin has begun after some turns of the event loop. */
const TURNS_OF_IMPORTS = 20;

export interface WorldOptions {
  readonly seed: number;
  readonly startMs: number;
  readonly faults: ReadonlySet<FaultKind>;
  readonly document: SimDocument;
  /** What is wrong with the server. */
  readonly planting: Planting;
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
  /** What runs since it is due. */
  readonly load = new Load((host) => this.model.document.hosts.get(host)?.concurrent);
  /** Machines that somebody has a shadow copy made of. */
  readonly byHand = new Set<string>();
  /** Objects that were damaged, and when the server has found that out. */
  readonly damaged = new Map<string, { foundMs: number | undefined }>();
  /** What is to be done for which the world has to go on meanwhile, one after the other. */
  readonly tasks: (() => Promise<void>)[] = [];
  life: ServerLife | undefined;
  readonly #seed: number;
  readonly #witness: Witness;
  #boots = 1;
  #bootedMs = 0;
  #isPowerCut = false;
  #isStarting = false;
  /** No time passes before this. */
  #held: Promise<void> = Promise.resolve();
  readonly #crashes: Random;

  readonly #planting: Planting;

  constructor({ seed, startMs, faults, document, planting, tell }: WorldOptions) {
    this.#seed = seed;
    this.#planting = planting;
    this.faults = faults;
    this.clock = new WorldClock(startMs);
    this.circumstances = new Circumstances(this.clock);
    this.history = new History(this.clock, tell);
    const { clock, circumstances, verdict, history } = this;
    const isDamaged = (): boolean => this.damaged.size > 0;
    this.model = new Model({ clock, circumstances, verdict, history, isDamaged }, document);
    this.#witness = new Witness({ model: this.model, verdict, circumstances, clock });
    this.watch = new Watch({ clock, circumstances, verdict, model: this.model, load: this.load });
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
  async pump<T>(work: Promise<T>, turns = 1): Promise<Outcome<T>> {
    let outcome: Outcome<T>;
    work.then(
      (value) => (outcome = { value }),
      (error: unknown) => (outcome = { error }),
    );
    const { life } = this;
    const settle = async (): Promise<void> => {
      for (let turn = 0; turn < turns; turn += 1) {
        await setImmediate();
        await this.#held;
      }
    };
    await settle();
    while (outcome === undefined && life?.isAlive !== false && !this.isWrong) {
      if (!this.clock.next(Infinity)) throw new UmbraError('INTERNAL', 'the simulated world stands still');
      await settle();
    }
    return outcome;
  }

  /** No server is there, and none is to begin. */
  isIdle(): boolean {
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
      forgetting: (listing, forget) => this.#witness.forget(life, listing, forget),
      keeping: (machine, keep) => this.#witness.keep(life, machine, keep),
      pruning: (request, prune) => this.#witness.prune(life, request, prune),
      collected: () => {
        if (life.isAlive) this.history.add('collected');
      },
      planting: this.#planting,
      hold: (until) => {
        this.#held = until;
      },
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
    this.#witness.reconcile(life);
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
    const stopped = await this.pump(life.stop());
    if (this.life === life) {
      // Whatever could not be ended in order ends with the process.
      life.isAlive = false;
      this.#ended('server stopped', stopped !== undefined && 'value' in stopped);
    }
    this.#abandonTasks();
  }

  /** A server that was killed, or whose power was cut. */
  #died(): void {
    const random = this.#crashes;
    this.#isPowerCut = this.faults.has('power-cuts') && random.chance(0.5);
    this.#ended(this.#isPowerCut ? 'power cut' : 'server killed', false);
    this.disk.resetReserve();
    if (this.#isPowerCut) this.disk.cutPower();
    this.#abandonTasks();
    const downMs = random.chance(0.75)
      ? random.between(1, 30) * MINUTE_MS
      : random.between(1, random.chance(0.2) ? 150 : 24) * HOUR_MS;
    this.startLater(downMs);
  }

  #ended(what: string, isInOrder: boolean): void {
    this.life = undefined;
    this.model.refusals.serverEnded(isInOrder);
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
      const machine = typeof fields['machine'] === 'string' ? fields['machine'] : '';
      if (message === 'data loss beyond what is acceptable') {
        this.watch.breaches.add(machine);
        this.history.add('breach', machine);
      } else if (message === 'data loss acceptable again') {
        this.watch.breaches.delete(machine);
        this.history.add('breach over', machine);
      } else if (message === 'job failed by a defect') {
        this.verdict.check('job records', false, '', () => String(fields['error']));
      }
    };
    return { info: hear, warn: hear, error: hear };
  }

  /** What one machine has listed now. */
  match(life: ServerLife, machine: ModelMachine): void {
    this.#witness.match(life, machine);
  }

  heard(life: ServerLife, machine: ModelMachine, name: string, pending: Pending): void {
    this.#witness.heard(life, machine, { name, pending });
  }
}

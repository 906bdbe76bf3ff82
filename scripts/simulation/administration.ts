import { isUmbraError, messageOf } from '../../src/common/errors.js';
import { AGENT_OPERATIONS } from '../../src/server/agent-operations.js';
import { OPERATIONS } from '../../src/server/operations.js';
import { POLICY_OPERATIONS } from '../../src/server/policy-operations.js';
import type { Operation } from '../../src/server/operation.js';
import type { Random } from '../../test/kit/random.js';
import { often } from './faults.js';
import type { ModelMachine, Point } from './model-machine.js';
import type { Refusal } from './refusals.js';
import { SimMachine } from './sim-machine.js';
import { documentText, makeDocument } from './sim-policies.js';
import type { SimWorld } from './sim-world.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ALL: readonly Operation[] = [...AGENT_OPERATIONS, ...POLICY_OPERATIONS, ...OPERATIONS];

/** An administrator, who has the server do things over its routes. */
export class Administration {
  readonly #world: SimWorld;
  readonly #random: Random;
  readonly #ofReplicas: Random;
  /** What kept the store from collecting when he looked last. */
  #damaged: string | undefined;
  readonly #byName = new Map<string, SimMachine>();
  #numbers = 0;

  constructor(world: SimWorld) {
    this.#world = world;
    this.#random = world.random('administration');
    this.#ofReplicas = world.random('administration of replicas');
  }

  /** What he does when it begins. */
  async setUp(machines: number): Promise<void> {
    await this.#apply();
    for (let number = 0; number < machines; number += 1) await this.#add();
  }

  begin(): void {
    const queue = (meanDays: number, work: () => Promise<void>): void => {
      often(this.#world, this.#random, meanDays * DAY_MS, () => this.#world.tasks.push(work));
    };
    queue(0.25, () => this.#mend());
    queue(1.5, () => this.#forget());
    if (this.#world.faults.has('damage')) {
      const ofDamage = this.#world.random('administration of damage');
      often(this.#world, ofDamage, 5 * DAY_MS, () => this.#world.tasks.push(() => this.#forgetDamaged()));
    }
    if (!this.#world.faults.has('changes')) return;
    queue(1, () => this.#backUp());
    queue(5, () => this.#cancel());
    queue(8, () => this.#prune());
    queue(12, () => this.#add());
    queue(14, () => this.#remove());
    queue(9, () => this.#move());
    queue(10, () => this.#rename());
    queue(25, () => this.#apply());
    const ofReplicas = (meanDays: number, work: () => Promise<void>): void => {
      often(this.#world, this.#ofReplicas, meanDays * DAY_MS, () => this.#world.tasks.push(work));
    };
    ofReplicas(6, () => this.#keepReplica());
    ofReplicas(6, () => this.#dropReplica());
  }

  /**
   * @param refusal what is not to hold if the disk was full
   * @returns false if it was not done, or nobody knows
   */
  async #do(route: string, params: unknown, refusal?: Refusal): Promise<boolean> {
    const { life } = this.#world;
    if (life?.isServing !== true) return false;
    const outcome = await this.#world.pump(life.do(ALL, route, params));
    if (outcome !== undefined && 'error' in outcome && !isUmbraError(outcome.error)) throw outcome.error;
    const isDone = outcome !== undefined && 'value' in outcome;
    if (refusal === undefined || outcome === undefined) return isDone;
    // What is acknowledged is newer than all that was refused before.
    if (isDone) this.#world.model.refusals.clear();
    else if (isUmbraError(outcome.error, 'STORE_FULL')) this.#world.model.refusals.add(refusal);
    return isDone;
  }

  #agents(): string[] {
    return [...this.#world.agents.keys()];
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.#random.below(Math.max(1, items.length))];
  }

  #pickMachine(): ModelMachine | undefined {
    return this.#pick([...this.#world.model.machines.values()].filter(({ host }) => host !== undefined));
  }

  async #apply(): Promise<void> {
    const { model, life } = this.#world;
    if (life?.isServing !== true) return;
    const document = makeDocument(this.#random, this.#ofReplicas, [...model.machines.keys()], this.#agents());
    model.next = document;
    const isDone = await this.#do('/v1/policies', { text: documentText(document) }, { document });
    if (isDone) {
      model.apply(document);
      this.#world.history.add('policies');
    }
    // With a server that died nobody knows until the next one is there.
    if (life.isAlive) model.next = undefined;
  }

  /** Have a machine protected by the agent of the host that it is on, or by nobody. */
  async #protect(name: string, machine: SimMachine): Promise<void> {
    const { model, life } = this.#world;
    if (life?.isServing !== true) return;
    const known = model.machine(name);
    known.isChanging = true;
    const params = { machine: machine.uuid, host: machine.host, as: name };
    if (await this.#do('/v1/machines/protect', params, { machine: name, host: machine.host })) {
      model.protect(name, machine.host);
      this.#world.history.add('protected', name, machine.host);
    }
    if (life.isAlive) known.isChanging = false;
  }

  async #add(): Promise<void> {
    const random = this.#random;
    const { agents, model } = this.#world;
    const gone = [...this.#byName].filter(([name]) => model.machine(name).host === undefined);
    const host = this.#pick(this.#agents());
    const agent = host === undefined ? undefined : agents.get(host);
    if (host === undefined || agent === undefined) return;
    const again = random.chance(0.3) ? this.#pick(gone) : undefined;
    const number = (this.#numbers += 1);
    const [name, machine] = again ?? [
      `m${number}`,
      new SimMachine(number, host, this.#world.random(`machine ${number}`)),
    ];
    this.#byName.set(name, machine);
    this.#place(machine, host);
    await this.#protect(name, machine);
  }

  #place(machine: SimMachine, host: string): void {
    const { agents } = this.#world;
    for (const agent of agents.values()) {
      const at = agent.machines.indexOf(machine);
      if (at < 0) continue;
      agent.machines.splice(at, 1);
      agent.report();
    }
    machine.host = host;
    agents.get(host)?.machines.push(machine);
    agents.get(host)?.report();
  }

  async #remove(): Promise<void> {
    const { model, life, history } = this.#world;
    const machine = this.#pickMachine();
    if (machine === undefined || life?.isServing !== true) return;
    machine.isChanging = true;
    const refusal = { machine: machine.name, host: undefined };
    if (await this.#do('/v1/machines/unprotect', { machine: machine.name }, refusal)) {
      model.protect(machine.name, undefined);
      history.add('unprotected', machine.name);
    }
    if (life.isAlive) machine.isChanging = false;
  }

  async #move(): Promise<void> {
    const known = this.#pickMachine();
    const machine = known && this.#byName.get(known.name);
    const host = this.#pick(this.#agents());
    if (known === undefined || machine === undefined || host === undefined || host === machine.host) return;
    machine.checkpoints.clear();
    this.#place(machine, host);
    this.#world.history.add('moved', known.name, host);
    this.#world.model.trouble(known, true);
    await this.#protect(known.name, machine);
  }

  /** Its hypervisor calls it something else. */
  #rename(): Promise<void> {
    const known = this.#pickMachine();
    const machine = known && this.#byName.get(known.name);
    if (machine !== undefined) {
      machine.hostName = `${machine.hostName.split('-')[0] ?? 'vm'}-${this.#random.below(1000)}`;
      this.#world.agents.get(machine.host)?.report();
    }
    return Promise.resolve();
  }

  /** What could not be done when it was wanted. */
  async #mend(): Promise<void> {
    for (const [name, machine] of this.#byName) {
      const { host } = this.#world.model.machine(name);
      if (host !== undefined && host !== machine.host) await this.#protect(name, machine);
    }
  }

  /** Delete a point or two, also such that nobody may delete. */
  async #forget(): Promise<void> {
    const { model } = this.#world;
    const machine = this.#pick([...model.machines.values()].filter(({ points }) => points.length > 1));
    const point = machine && this.#pick(machine.points.slice(0, -1));
    if (machine !== undefined && point !== undefined) await this.#delete(machine, point);
  }

  /** Do what the server says is to be done where a shadow copy that does not heal keeps all from being collected. */
  async #forgetDamaged(): Promise<void> {
    const { life, model } = this.#world;
    if (life?.isServing !== true) return;
    const outcome = await this.#world.pump(life.do(ALL, '/v1/gc', {}));
    if (outcome !== undefined && 'error' in outcome && !isUmbraError(outcome.error)) throw outcome.error;
    const why = outcome !== undefined && 'error' in outcome ? messageOf(outcome.error) : '';
    const [damaged, name = '', version] = /since (\S+)@(\S+) is damaged/.exec(why) ?? [];
    const stands = damaged !== undefined && damaged === this.#damaged;
    this.#damaged = damaged;
    if (!stands) return;
    const machine = model.machines.get(name);
    const point = machine?.points.find((one) => one.name === version);
    if (machine === undefined || point === undefined) return;
    this.#world.history.add('given up', name, point.name);
    await this.#delete(machine, point);
  }

  async #delete(machine: ModelMachine, { name }: Point): Promise<void> {
    machine.forgotten += 1;
    const shadowCopies = [{ machine: machine.name, version: name }];
    if (await this.#do('/v1/forget', { shadowCopies, force: this.#random.chance(0.5), dryRun: false }))
      this.#world.history.add('forgotten', machine.name, name);
  }

  #pickReplicated(): ModelMachine | undefined {
    const replicated = [...this.#world.model.machines.values()].filter(({ replica }) => replica !== undefined);
    return replicated[this.#ofReplicas.below(Math.max(1, replicated.length))];
  }

  /** Have a machine's replica made a shadow copy. */
  async #keepReplica(): Promise<void> {
    const machine = this.#pickReplicated();
    if (machine !== undefined) await this.#do('/v1/replicas/keep', { machine: machine.name });
  }

  async #dropReplica(): Promise<void> {
    const machine = this.#pickReplicated();
    if (machine === undefined) return;
    const shadowCopies = [{ machine: machine.name, version: 'replica' }];
    await this.#do('/v1/forget', { shadowCopies, force: this.#ofReplicas.chance(0.5), dryRun: false });
  }

  /** Somebody tries to delete what is not old enough: with the clock set forth it looks as if it were. */
  async deleteProtected(): Promise<void> {
    for (const machine of this.#world.model.machines.values()) {
      const point = machine.points.slice(0, -1).findLast(({ requiredMs }) => requiredMs > 0);
      if (point !== undefined && this.#random.chance(0.3)) await this.#delete(machine, point);
    }
  }

  #backUp(): Promise<void> {
    const { life, byHand } = this.#world;
    const machine = this.#pickMachine();
    if (machine === undefined || life?.isServing !== true || byHand.has(machine.name) || machine.isRunning)
      return Promise.resolve();
    const { name } = machine;
    byHand.add(name);
    void life
      .do(ALL, '/v1/machines/backup', { machine: name })
      .catch((error: unknown) => {
        if (!isUmbraError(error)) throw error;
      })
      .finally(() => {
        if (life.isAlive) byHand.delete(name);
      });
    return Promise.resolve();
  }

  async #cancel(): Promise<void> {
    const { life, model } = this.#world;
    if (life?.isServing !== true) return;
    const listed = await this.#world.pump(life.scheduling.list({}));
    if (listed === undefined || 'error' in listed) return;
    const job = this.#pick(listed.value.jobs.filter(({ state }) => ['waiting', 'running', 'retrying'].includes(state)));
    if (job === undefined) return;
    model.trouble(model.machine(job.machine), true);
    this.#world.history.add('cancelled', job.machine);
    const outcome = await this.#world.pump(life.scheduling.cancel(job.id));
    if (outcome !== undefined && 'error' in outcome && !isUmbraError(outcome.error)) throw outcome.error;
  }

  async #prune(): Promise<void> {
    await this.#do('/v1/prune', { dryRun: this.#random.chance(0.2) });
  }
}

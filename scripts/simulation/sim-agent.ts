import { UmbraError } from '../../src/common/errors.js';
import type { AgentBackupResult, AgentTask, AgentTaskLine } from '../../src/protocol/agents-api.js';
import type { JobKind } from '../../src/protocol/jobs-api.js';
import { mayPass } from '../../src/scheduler/retry.js';
import { toWireError } from '../../src/protocol/wire-error.js';
import type { Random } from '../../test/kit/random.js';
import type { ServerLife } from './server-life.js';
import type { SimMachine } from './sim-machine.js';
import { sendShadowCopy } from './sim-upload.js';
import type { AgentWorld } from './world-parts.js';

const MINUTE_MS = 60_000;
/** An agent that says nothing for ten minutes is taken for one that is stuck: it says so often that it is there. */
const HEARD_MS = 9 * MINUTE_MS;
const SECOND_MS = 1000;

/** What an attempt fails with before anything was sent. */
const FAILURES = [
  ['TRACKER_BUSY', 'a job of the hypervisor runs'],
  ['HYPERVISOR_FAILED', 'the hypervisor says no'],
  ['AGENT_FAILED', 'the agent has no memory'],
  ['TRACKER_UNAVAILABLE', 'there is no tracker'],
] as const;

/** How long a server waits for an agent that went away in the midst of a task. */
const PATIENCE_MS = 10 * MINUTE_MS;

/** How an attempt goes. */
interface Course {
  readonly takesMs: number;
  readonly failure?: (typeof FAILURES)[number];
  /** The connection is lost in the midst of it; then it goes on with another one, or fails. */
  readonly isCut: boolean;
}

type BackupTask = AgentTask & { readonly kind: 'backup' };

/** A task that is under way at an agent. */
interface Task {
  readonly task: AgentTask;
  isOver: boolean;
  readonly end: (error: UmbraError) => void;
}

/** The agent of a host. What it does for the server's tasks is pretended; what it says is as the wire has it. */
export class SimAgent {
  readonly host: string;
  readonly machines: SimMachine[] = [];
  isOnline = true;
  readonly #world: AgentWorld;
  readonly #random: Random;
  readonly #tasks = new Map<string, Task>();
  #life: ServerLife | undefined;
  #disconnect = (): void => undefined;
  #stopSayingThere = (): void => undefined;
  #stopLosing = (): void => undefined;

  constructor(host: string, world: AgentWorld, random: Random) {
    this.host = host;
    this.#world = world;
    this.#random = random;
  }

  /** Listen for tasks, if it is there and the server is. */
  connect(life: ServerLife): void {
    if (!this.isOnline || !life.isServing) return;
    this.#life = life;
    this.#stopLosing();
    const { connections } = life.fleet;
    this.report();
    this.#disconnect = connections.connect(this.host, [...this.#tasks.keys()], {
      send: (line) => {
        this.#hear(line, life);
      },
      close: () => undefined,
    });
    this.#world.circumstances.hostUp(this.host);
    this.#sayThere(life);
  }

  #sayThere(life: ServerLife): void {
    this.#stopSayingThere();
    if (this.#life !== life || !life.isServing) return;
    life.fleet.connections.heard(this.host);
    this.#stopSayingThere = this.#world.clock.after(HEARD_MS, () => {
      this.#sayThere(life);
    });
  }

  /** What it sees; a server that is not there hears nothing of it. */
  report(): void {
    if (this.#life?.isServing !== true || !this.isOnline) return;
    const machines = this.machines.map((machine) => machine.discovered);
    this.#life.fleet.connections.report(this.host, { machines, notes: [] });
  }

  /** The connection is lost. @param isWhole it stops altogether: what it was at comes to nothing */
  disconnect(isWhole: boolean): void {
    this.#world.circumstances.hostDown(this.host);
    if (this.#life !== undefined) this.#beginLosing();
    this.#disconnect();
    this.#disconnect = () => undefined;
    this.#stopSayingThere();
    this.#life = undefined;
    if (!isWhole) return;
    for (const { end } of this.#tasks.values()) end(new UmbraError('AGENT_FAILED', 'the host was switched off'));
  }

  /** After so long the server gives up what it waits for. */
  #beginLosing(): void {
    const { clock, load } = this.#world;
    this.#stopLosing();
    this.#stopLosing = clock.after(PATIENCE_MS, () => {
      load.lose(this.host, clock.passedMs);
    });
  }

  #hear({ task, cancel }: AgentTaskLine, life: ServerLife): void {
    if (cancel !== undefined) this.#tasks.get(cancel)?.end(new UmbraError('CANCELLED', 'not wanted any more'));
    if (task === undefined) return;
    if (task.kind === 'backup') void this.#backUp(task, life);
    else this.#after(task.id, this.#random.between(1, 20) * SECOND_MS);
  }

  /** Letting go of a machine, or looking around. */
  #after(id: string, delayMs: number): void {
    this.#world.clock.after(delayMs, () => {
      this.#life?.fleet.connections.finish(this.host, { id });
    });
  }

  async #backUp(task: BackupTask, life: ServerLife): Promise<void> {
    const { model, history, load, clock, byHand } = this.#world;
    const { name } = task.machine;
    const machine = model.machine(name);
    const kind = life.kindOf(name, this.host);
    const isPlanned = !byHand.has(name);
    model.begin(machine, { kind, host: this.host, load, isPlanned });
    if (isPlanned) load.begin(name, this.host);
    history.add(kind === 'replicate' ? 'replication begun' : 'begun', name, this.host);
    const beganWallMs = clock.wallMs;
    let outcome: { readonly result: AgentBackupResult } | { readonly error: UmbraError };
    try {
      outcome = { result: await this.#attempt(task, life, kind) };
      model.ended(machine, kind, isPlanned ? beganWallMs : undefined);
    } catch (error) {
      if (!(error instanceof UmbraError)) throw error;
      outcome = { error };
      // What is due while somebody has it made is tried as often as it is tried, and nobody hears of it.
      if (isPlanned) model.trouble(machine, !mayPass(error), [kind]);
      else model.trouble(machine, true);
      history.add('failed', name, error.code);
    }
    machine.isRunning = false;
    load.end(name, clock.passedMs);
    this.#tasks.delete(task.id);
    const said = 'error' in outcome ? { error: toWireError(outcome.error) } : outcome;
    // One that was switched off says nothing; one whose connection was lost says it when it is back.
    this.#life?.fleet.connections.finish(this.host, { id: task.id, ...said });
  }

  async #attempt(task: BackupTask, life: ServerLife, kind: JobKind): Promise<AgentBackupResult> {
    const seen = this.machines.find(({ uuid }) => uuid === task.machine.uuid);
    const course = this.#course();
    const over = new Promise<never>((_, reject) => {
      const under: Task = {
        task,
        isOver: false,
        end: (error) => {
          under.isOver = true;
          reject(error);
        },
      };
      this.#tasks.set(task.id, under);
    });
    over.catch(() => undefined);
    const work = async (): Promise<AgentBackupResult> => {
      if (seen === undefined) throw new UmbraError('NOT_FOUND', 'no such machine is here');
      await this.#world.clock.wait(course.takesMs / 2);
      if (course.failure !== undefined) throw new UmbraError(course.failure[0], course.failure[1]);
      return await sendShadowCopy({
        world: this.#world,
        life,
        host: this.host,
        task,
        kind,
        machine: seen,
        consistency: this.#random.chance(0.8) ? 'filesystem' : 'crash',
        takesMs: course.takesMs / 2,
        isCut: course.isCut,
        isOver: () => this.#tasks.get(task.id)?.isOver !== false || !life.isAlive,
      });
    };
    const working = work();
    working.catch(() => undefined);
    return await Promise.race([working, over]);
  }

  #course(): Course {
    const random = this.#random;
    const isSlow = random.chance(0.01);
    const takesMs = isSlow ? random.between(20, 150) * MINUTE_MS : random.between(5, 90) * SECOND_MS;
    if (!this.#world.faults.has('agents')) return { takesMs, isCut: false };
    const failure = random.chance(0.04) ? FAILURES[random.below(FAILURES.length)] : undefined;
    return { takesMs, isCut: random.chance(0.02), ...(failure === undefined ? {} : { failure }) };
  }
}

import { JOB_KINDS, type JobKind } from '../../src/protocol/jobs-api.js';
import type { Circumstances } from './circumstances.js';
import type { History } from './history.js';
import { isoTime } from './history.js';
import type { Load } from './load.js';
import { isQuiet } from './local-clock.js';
import { GIVEN_UP, ModelMachine, type Pending, type Point } from './model-machine.js';
import { Refusals } from './refusals.js';
import { keptBy } from './retention.js';
import { minimumAgeMs, policyOf, type SimDocument, type SimPolicy } from './sim-policies.js';
import { isDue, lastRunMs, nextDue, NOTED_MS } from './timing.js';
import type { Verdict } from './verdict.js';
import type { WorldClock } from './world-clock.js';

const HOUR_MS = 3_600_000;
/** So soon other policies hold for whatever begins. */
const SETTLED_MS = 60_000;

export interface ModelParts {
  readonly clock: WorldClock;
  readonly circumstances: Circumstances;
  readonly verdict: Verdict;
  readonly history: History;
  /** Something in the store is damaged: machines are backed up sooner, so that it heals. */
  readonly isDamaged: () => boolean;
}

/** What must be so: for each machine the points that are to be listed, and what policies say of them. */
export class Model {
  readonly machines = new Map<string, ModelMachine>();
  document: SimDocument;
  /** Those that an administrator wants to hold; nobody knows whether they do. */
  next: SimDocument | undefined;
  readonly refusals: Refusals;
  #before: SimDocument;
  readonly #parts: ModelParts;

  constructor(parts: ModelParts, document: SimDocument) {
    this.#parts = parts;
    this.refusals = new Refusals(parts.clock, parts.circumstances);
    this.document = document;
    this.#before = document;
  }

  machine(name: string): ModelMachine {
    let machine = this.machines.get(name);
    if (machine === undefined) this.machines.set(name, (machine = new ModelMachine(name)));
    return machine;
  }

  policyOf({ name, whose }: ModelMachine): SimPolicy {
    return policyOf(this.document, name, whose);
  }

  /** @param host undefined if it is protected no more */
  protect(name: string, host: string | undefined): void {
    const machine = this.machine(name);
    const { clock } = this.#parts;
    if (machine.host === undefined) machine.plannedWallMs = clock.wallMs;
    machine.host = host;
    machine.whose = host ?? machine.whose;
    machine.protectedMs = clock.passedMs;
    this.#require(machine);
  }

  apply(document: SimDocument): void {
    this.#before = this.document;
    this.document = document;
    this.#parts.circumstances.policiesMs = this.#parts.clock.passedMs;
    for (const machine of this.machines.values()) this.#require(machine);
  }

  /** Whatever was asked for once is asked for until a point is so old. */
  #require(machine: ModelMachine): void {
    const leastMs = minimumAgeMs(this.policyOf(machine));
    for (const point of machine.points) point.requiredMs = Math.max(point.requiredMs, leastMs);
  }

  /** An agent is asked for a shadow copy, or a replication. @param load without this one */
  begin(machine: ModelMachine, { kind, host, load, isPlanned }: Begun): void {
    const { verdict, clock, circumstances } = this.#parts;
    const { name } = machine;
    const now = isoTime(clock.wallMs);
    verdict.check('one job of a machine', !machine.isRunning, name, () => `two at once, ${now}`);
    machine.isRunning = true;
    // Policies and hosts that are being changed: nobody knows which hold.
    const isRecent = clock.passedMs - circumstances.policiesMs < SETTLED_MS;
    if (!isPlanned || machine.isChanging || this.next !== undefined || isRecent) return;
    verdict.check(
      'limit of a host',
      load.hasRoom(host),
      name,
      () => `${load.of(host) + 1} of ${host}, which bears ${load.mostOf(host)}; ${load.all + 1} in all`,
    );
    const { quiet, timeZone } = this.policyOf(machine);
    // It was decided some moments ago: that was noted meanwhile.
    const isLoud = [0, NOTED_MS].some((agoMs) => !isQuiet(quiet, timeZone, clock.wallMs - agoMs));
    verdict.check('quiet windows', isLoud, name, () => `a ${kind} begun at ${now}, ${timeZone}`);
    this.#checkDue(machine, kind);
  }

  #checkDue(machine: ModelMachine, kind: JobKind): void {
    const { verdict, clock, circumstances, isDamaged } = this.#parts;
    if (isDamaged()) return;
    const changedMs = Math.max(circumstances.setMs, circumstances.policiesMs, machine.protectedMs);
    // What failed is tried again; with other clocks or policies something else is due.
    const isJudged = (of: JobKind): boolean =>
      machine.runsAs(of).every(({ isSmooth }) => isSmooth) && changedMs < machine.runs[of].lastMadeMs;
    if (!isJudged(kind)) return;
    const policy = this.policyOf(machine);
    const sinceMs = lastRunMs(machine, kind, clock.wallMs);
    const text = (): string => `begun at ${isoTime(clock.wallMs)}, after ${isoTime(sinceMs ?? 0)}`;
    const holds = isDue(policy, kind, sinceMs, machine, clock.wallMs);
    verdict.check(kind === 'replicate' ? 'replicated only when due' : 'made only when due', holds, machine.name, text);
    if (kind === 'replicate' && isJudged('shadow-copy')) this.#checkUnneeded(machine, policy);
  }

  /** What is due at the same time is done once: a shadow copy is a replication, too. */
  #checkUnneeded(machine: ModelMachine, { rhythm, timeZone }: SimPolicy): void {
    const { verdict, clock } = this.#parts;
    const ranMs = lastRunMs(machine, 'shadow-copy', clock.wallMs);
    const dueMs = nextDue(rhythm, timeZone, ranMs, machine.plannedWallMs, clock.wallMs);
    const text = (): string =>
      `replicated at ${isoTime(clock.wallMs)}, when a shadow copy was due since ${isoTime(dueMs)}`;
    verdict.check('replicated only when due', dueMs > clock.wallMs - SETTLED_MS, machine.name, text);
  }

  /** A run has made what it was to make. @param beganWallMs undefined if somebody had it made */
  ended(machine: ModelMachine, kind: JobKind, beganWallMs: number | undefined): void {
    if (beganWallMs !== undefined) machine.runs[kind].lastWallMs = beganWallMs;
    for (const runs of machine.runsFor(kind)) runs.succeeded();
  }

  /** An attempt has ended without a point. @param isFinal nobody tries again before it is due */
  trouble(machine: ModelMachine, isFinal: boolean, kinds: readonly JobKind[] = JOB_KINDS): void {
    const { clock } = this.#parts;
    for (const kind of kinds) {
      const runs = machine.runs[kind];
      runs.troubles += isFinal || runs.wasAway ? GIVEN_UP : 1;
      runs.troubleMs = clock.passedMs;
      runs.troubleWallMs = clock.wallMs;
    }
  }

  /** A point is listed: what was the replica is older. */
  made(machine: ModelMachine, listed: Named, pending: Pending): Point {
    const { history } = this.#parts;
    const point = this.#pointOf(listed, pending, this.#requiredMs(machine, pending.sentMs));
    machine.points.push(point);
    // One that was made when nobody heard of it may be listed as late as when the store is opened again.
    if (machine.replica !== undefined && machine.replica.madeMs <= point.madeMs) machine.replace(undefined);
    machine.changes += 1;
    this.#noteMade(machine, 'shadow-copy');
    history.add('made', machine.name, listed.name);
    return point;
  }

  /** A point is the replica, instead of the one before. */
  replicated(machine: ModelMachine, listed: Named, pending: Pending): void {
    machine.replace(this.#pointOf(listed, pending, 0));
    this.#noteMade(machine, 'replicate');
    this.#parts.history.add('replicated', machine.name, listed.name);
  }

  /** The replica is a shadow copy: its minimum age counts from now. */
  kept(machine: ModelMachine, replica: Point, askedMs: number): void {
    const { circumstances, history } = this.#parts;
    const requiredMs = this.#requiredMs(machine, askedMs);
    machine.points.push({ ...replica, madeMs: askedMs, certainMs: circumstances.certainMs, requiredMs });
    if (machine.replica === replica) machine.replica = undefined;
    machine.changes += 1;
    history.add('replica kept', machine.name, replica.name);
  }

  /** There is no replica any more, and nothing instead of it. */
  dropped(machine: ModelMachine): void {
    this.#parts.history.add('replica dropped', machine.name, machine.replica?.name);
    machine.replace(undefined);
  }

  /** @param sinceMs other policies may have held then */
  #requiredMs(machine: ModelMachine, sinceMs: number): number {
    const isBefore = sinceMs <= this.#parts.circumstances.policiesMs;
    const documents = isBefore ? [this.document, this.#before] : [this.document];
    return Math.max(...documents.map((one) => minimumAgeMs(policyOf(one, machine.name, machine.whose))));
  }

  #pointOf({ name, timeMs }: Named, pending: Pending, requiredMs: number): Point {
    const { content, volumes, sentMs: madeMs } = pending;
    const { certainMs } = this.#parts.circumstances;
    return { name, timeMs, content, volumes, madeMs, certainMs, requiredMs };
  }

  #noteMade(machine: ModelMachine, kind: JobKind): void {
    for (const runs of machine.runsFor(kind)) runs.lastMadeMs = this.#parts.clock.passedMs;
  }

  /** A point is not listed any more. */
  deleted(machine: ModelMachine, name: string, why: string): void {
    const { verdict, clock, history } = this.#parts;
    const point = machine.points.find((other) => other.name === name);
    machine.points = machine.points.filter((other) => other !== point);
    machine.changes += 1;
    history.add(why, machine.name, name);
    if (!verdict.check('listed as in the model', point !== undefined, machine.name, () => `${name} was not there`))
      return;
    const ageMs = clock.passedMs - (point?.madeMs ?? 0);
    const requiredMs = point?.requiredMs ?? 0;
    const text = (): string => `${name} was deleted ${hours(ageMs)} old, and must become ${hours(requiredMs)} old`;
    verdict.check('minimum age', ageMs >= requiredMs, machine.name, text);
  }

  /**
   * A machine was pruned.
   * @param before its points until then, and what of them may be deleted for certain
   * @param deleted their names
   * @param isWhole all that was to be deleted could be
   */
  pruned(machine: ModelMachine, before: PruneBegin, deleted: ReadonlySet<string>, isWhole: boolean): void {
    const { verdict } = this.#parts;
    const { points, wallMs, free, document } = before;
    const { keep, timeZone } = policyOf(document, machine.name, machine.whose);
    const kept = keptBy(points, keep, timeZone, wallMs);
    const last = points.at(-1)?.name;
    for (const { name } of points) {
      const stays = kept.has(name) || name === last;
      const wrong = stays ? deleted.has(name) : isWhole && free.has(name) && !deleted.has(name);
      const said = JSON.stringify(keep);
      const list = (): string =>
        points.map((other) => `${other.name}${deleted.has(other.name) ? ' (deleted)' : ''}`).join(' ');
      const text = (): string =>
        `${name} ${stays ? 'was deleted' : 'was kept'} by ${said} in ${timeZone}, of ${list()}`;
      if (!verdict.check('pruned as in the model', !wrong, machine.name, text)) return;
    }
  }

  beginPrune(machine: ModelMachine): PruneBegin {
    const { clock, circumstances } = this.#parts;
    const { certainMs } = circumstances;
    const free = machine.points.filter((point) => certainMs - point.certainMs >= point.requiredMs);
    return {
      points: machine.points,
      wallMs: clock.wallMs,
      changes: machine.changes,
      setMs: circumstances.setMs,
      document: this.document,
      free: new Set(free.map(({ name }) => name)),
    };
  }
}

/** How a point is called, and of when it is. */
export interface Named {
  readonly name: string;
  readonly timeMs: number;
}

/** An attempt that begins. */
export interface Begun {
  readonly kind: JobKind;
  readonly host: string;
  readonly load: Load;
  /** Nobody asked for it: it is due. */
  readonly isPlanned: boolean;
}

/** A machine as it was when pruning it began. */
export interface PruneBegin {
  readonly points: readonly Point[];
  readonly wallMs: number;
  readonly changes: number;
  readonly setMs: number;
  readonly document: SimDocument;
  readonly free: ReadonlySet<string>;
}

export function hours(ms: number): string {
  return `${(ms / HOUR_MS).toFixed(2)} h`;
}

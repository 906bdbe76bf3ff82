import type { Circumstances } from './circumstances.js';
import type { Content } from './content.js';
import type { History } from './history.js';
import { isoTime } from './history.js';
import { isQuiet, lastDue } from './local-clock.js';
import { keptBy } from './retention.js';
import { minimumAgeMs, policyOf, type SimDocument, type SimPolicy } from './sim-policies.js';
import type { Verdict } from './verdict.js';
import type { WorldClock } from './world-clock.js';

const HOUR_MS = 3_600_000;
/** As many of a host as its limits say nothing of, and of all hosts. */
const USUAL_OF_HOST = 2;
const MOST_AT_ONCE = 8;
/** So soon other policies hold for whatever begins. */
const SETTLED_MS = 60_000;

/** Of so many troubles a job is given up until its machine is due again. */
export const GIVEN_UP = 5;

/** A point in time of a machine that is to be listed. */
export interface Point {
  readonly name: string;
  /** By the wall clock of then. */
  readonly timeMs: number;
  readonly content: Content;
  readonly volumes: number;
  /** When it was made, of the world's time, and of what a store is certain of. */
  readonly madeMs: number;
  readonly certainMs: number;
  /** Nobody deletes it before it is so old. */
  requiredMs: number;
}

/** A point that was sent, and of which nobody has heard whether it is listed. */
export interface Pending {
  readonly content: Content;
  readonly volumes: number;
  /** When its checkpoint was, by the wall clock. */
  readonly wallMs: number;
  /** When all of it was sent: it is not stored before that. */
  readonly sentMs: number;
}

export class ModelMachine {
  readonly name: string;
  /** Whose agent protects it. */
  host: string | undefined;
  /** Whose agent made its newest point. */
  lastHost: string | undefined;
  /** In the order in which they were made. */
  points: Point[] = [];
  pending: Pending[] = [];
  protectedMs = 0;
  /** Wall clock when it was planned for. */
  plannedWallMs = 0;
  /** Begin of the last run that made a point, by the wall clock. */
  lastRunWallMs: number | undefined;
  /** When that ended. */
  lastMadeMs = -Infinity;
  /** Attempts since then that came to nothing, and whatever else may have made some come to nothing. */
  troubles = 0;
  troubleMs = -Infinity;
  /** What wall clocks showed then. */
  troubleWallMs = -Infinity;
  /** Its host was away since then: nobody knows how many attempts have come to nothing. */
  wasAway = false;
  isRunning = false;
  /** Counts what happens to its points, and what somebody wants to delete of them. */
  changes = 0;
  forgotten = 0;
  /** Who protects it is being changed. */
  isChanging = false;

  constructor(name: string) {
    this.name = name;
  }

  get whose(): string | undefined {
    return this.host ?? this.lastHost;
  }
}

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
  #before: SimDocument;
  readonly #parts: ModelParts;

  constructor(parts: ModelParts, document: SimDocument) {
    this.#parts = parts;
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

  /** An agent is asked for a shadow copy. @param running the machines that this is done for, those of each host */
  begin(machine: ModelMachine, host: string, running: ReadonlyMap<string, string>, isPlanned: boolean): void {
    const { verdict, clock, circumstances } = this.#parts;
    const { name } = machine;
    const now = isoTime(clock.wallMs);
    verdict.check('one job of a machine', !machine.isRunning, name, () => `two at once, ${now}`);
    machine.isRunning = true;
    // Policies and hosts that are being changed: nobody knows which hold.
    const isRecent = clock.passedMs - circumstances.policiesMs < SETTLED_MS;
    if (!isPlanned || machine.isChanging || this.next !== undefined || isRecent) return;
    const ofHost = [...running.values()].filter((other) => other === host).length + 1;
    const most = this.document.hosts.get(host)?.concurrent ?? USUAL_OF_HOST;
    const isWithin = ofHost <= most && running.size < MOST_AT_ONCE;
    verdict.check(
      'limit of a host',
      isWithin,
      name,
      () => `${ofHost} of ${host}, which bears ${most}; ${running.size + 1} in all`,
    );
    const { quiet, timeZone } = this.policyOf(machine);
    const isLoud = !isQuiet(quiet, timeZone, clock.wallMs);
    verdict.check('quiet windows', isLoud, name, () => `begun at ${now}, ${timeZone}`);
    this.#checkDue(machine);
  }

  #checkDue(machine: ModelMachine): void {
    const { verdict, clock, circumstances, isDamaged } = this.#parts;
    if (isDamaged()) return;
    const changedMs = Math.max(circumstances.setMs, circumstances.policiesMs, machine.protectedMs);
    // What failed is tried again; with other clocks or policies something else is due.
    if (machine.troubles > 0 || machine.wasAway || changedMs >= machine.lastMadeMs) return;
    const sinceMs = this.lastRunMs(machine);
    const { rhythm, timeZone } = this.policyOf(machine);
    const isDue =
      'everyHours' in rhythm
        ? sinceMs === undefined || clock.wallMs - sinceMs >= rhythm.everyHours * HOUR_MS
        : lastDue(rhythm, timeZone, clock.wallMs) > (sinceMs ?? machine.plannedWallMs);
    const text = (): string => `begun at ${isoTime(clock.wallMs)}, after ${isoTime(sinceMs ?? 0)}`;
    verdict.check('made only when due', isDue, machine.name, text);
  }

  /** The last run, by the wall clock; what lies in its future does not count. */
  lastRunMs({ lastRunWallMs, points }: ModelMachine): number | undefined {
    const { wallMs } = this.#parts.clock;
    const times = [lastRunWallMs, points.at(-1)?.timeMs].filter((time) => time !== undefined && time <= wallMs);
    return times.length === 0 ? undefined : Math.max(...times.map((time) => time ?? 0));
  }

  /** An attempt has ended without a point. @param isFinal nobody tries again before it is due */
  trouble(machine: ModelMachine, isFinal: boolean): void {
    machine.troubles += isFinal || machine.wasAway ? GIVEN_UP : 1;
    machine.troubleMs = this.#parts.clock.passedMs;
    machine.troubleWallMs = this.#parts.clock.wallMs;
  }

  /** A point is listed. */
  made(machine: ModelMachine, listed: { readonly name: string; readonly timeMs: number }, pending: Pending): Point {
    const { clock, circumstances, history } = this.#parts;
    const isBefore = pending.sentMs <= circumstances.policiesMs;
    const documents = isBefore ? [this.document, this.#before] : [this.document];
    const requiredMs = Math.max(...documents.map((one) => minimumAgeMs(policyOf(one, machine.name, machine.whose))));
    const { content, volumes, sentMs: madeMs } = pending;
    const { name, timeMs } = listed;
    const certainMs = circumstances.certainMs;
    const point = { name, timeMs, content, volumes, madeMs, certainMs, requiredMs };
    machine.points.push(point);
    machine.changes += 1;
    machine.lastMadeMs = clock.passedMs;
    if (machine.host !== undefined) machine.lastHost = machine.host;
    history.add('made', machine.name, name);
    return point;
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

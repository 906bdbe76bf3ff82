import type { JobKind } from '../../src/protocol/jobs-api.js';
import type { Content } from './content.js';

/** Of so many troubles a job is given up until its machine is due again. */
export const GIVEN_UP = 5;

/** So many replicas of a machine that were replaced are known. */
const MOST_FORMER = 50;

/** A point in time of a machine: one that is to be listed, or its replica. */
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

/** A point that was sent, and of which nobody has heard whether it is there. */
export interface Pending {
  /** What is to become of it. */
  readonly kind: JobKind;
  readonly content: Content;
  readonly volumes: number;
  /** When its checkpoint was, by the wall clock. */
  readonly wallMs: number;
  /** When all of it was sent: it is not stored before that. */
  readonly sentMs: number;
}

/** How the runs of one kind have gone. */
export class Runs {
  /** Begin of the last one that made a point, by the wall clock. */
  lastWallMs: number | undefined;
  /** When a point was made for the last time that such a run would have made. */
  lastMadeMs = -Infinity;
  /** Attempts since then that came to nothing, and whatever else may have made some come to nothing. */
  troubles = 0;
  troubleMs = -Infinity;
  /** What wall clocks showed then. */
  troubleWallMs = -Infinity;
  /** Its host was away since then: nobody knows how many attempts have come to nothing. */
  wasAway = false;

  get isSmooth(): boolean {
    return this.troubles === 0 && !this.wasAway;
  }

  /** One has made what it was to make. */
  succeeded(): void {
    this.troubles = 0;
    this.wasAway = false;
  }
}

export class ModelMachine {
  readonly name: string;
  /** Whose agent protects it. */
  host: string | undefined;
  /** Whose agent protects it, or did last: it stays in that one's group when nobody protects it any more, whoever made its newest point. */
  whose: string | undefined;
  /** Those that are to be listed, in the order in which they were made. */
  points: Point[] = [];
  /** Newer than all of them; undefined if nothing was replicated since the last one. */
  replica: Point | undefined;
  /** The last replicas that were replaced, or dropped: none of them is to be one again. */
  #former: readonly Point[] = [];
  pending: Pending[] = [];
  protectedMs = 0;
  /** Wall clock when it was planned for. */
  plannedWallMs = 0;
  readonly runs: Readonly<Record<JobKind, Runs>> = { 'shadow-copy': new Runs(), replicate: new Runs() };
  isRunning = false;
  /** Counts what happens to its points, and what somebody wants to delete of them. */
  changes = 0;
  forgotten = 0;
  /** Who protects it is being changed. */
  isChanging = false;

  constructor(name: string) {
    this.name = name;
  }

  /** What may be lost is what is newer than this. */
  get newest(): Point | undefined {
    return this.replica ?? this.points.at(-1);
  }

  /** There is another replica, or a shadow copy that is newer, or none of both. */
  replace(replica: Point | undefined): void {
    if (this.replica !== undefined) this.#former = [...this.#former, this.replica].slice(-MOST_FORMER);
    this.replica = replica;
  }

  wasReplica(name: string, timeMs: number): boolean {
    return this.#former.some((point) => point.name === name && point.timeMs === timeMs);
  }

  /** It is there, listed or not. */
  has(point: Point): boolean {
    return this.replica === point || this.points.includes(point);
  }

  /** All runs that make one of this kind unnecessary: a shadow copy is a replication, too. */
  runsAs(kind: JobKind): readonly Runs[] {
    return kind === 'replicate' ? Object.values(this.runs) : [this.runs[kind]];
  }

  /** All runs that one of this kind makes unnecessary. */
  runsFor(kind: JobKind): readonly Runs[] {
    return kind === 'replicate' ? [this.runs.replicate] : Object.values(this.runs);
  }

  away(): void {
    for (const runs of Object.values(this.runs)) runs.wasAway = true;
  }
}

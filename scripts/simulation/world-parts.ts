import type { Circumstances } from './circumstances.js';
import type { History } from './history.js';
import type { Load } from './load.js';
import type { Model } from './model.js';
import type { ModelMachine, Pending } from './model-machine.js';
import type { FaultKind } from './options.js';
import type { ServerLife } from './server-life.js';
import type { SimDisk } from './sim-disk.js';
import type { Verdict } from './verdict.js';
import type { WorldClock } from './world-clock.js';

/** What came of some work; undefined if the server died first. */
export type Outcome<T> = { readonly value: T } | { readonly error: unknown } | undefined;

/** As much of the world as agents have to do with. */
export interface AgentWorld {
  readonly clock: WorldClock;
  readonly circumstances: Circumstances;
  readonly history: History;
  readonly model: Model;
  readonly faults: ReadonlySet<FaultKind>;
  /** What runs since it is due. */
  readonly load: Load;
  /** Machines that somebody has a shadow copy made of. */
  readonly byHand: ReadonlySet<string>;
  /** An agent has heard how the server calls what it sent. */
  heard(life: ServerLife, machine: ModelMachine, name: string, pending: Pending): void;
}

/** As much of the world as is looked at by those who check it. */
export interface CheckedWorld {
  readonly clock: WorldClock;
  readonly circumstances: Circumstances;
  readonly verdict: Verdict;
  readonly model: Model;
  readonly disk: SimDisk;
  /** Objects that were damaged, and when the server has found that out. */
  readonly damaged: Map<string, { foundMs: number | undefined }>;
  readonly life: ServerLife | undefined;
  readonly isWrong: boolean;
  /** Let the world go on until this has ended, or the server has died. */
  pump<T>(work: Promise<T>): Promise<Outcome<T>>;
  /** Compare what a machine has listed now with what it is to have. */
  match(life: ServerLife, machine: ModelMachine): void;
}

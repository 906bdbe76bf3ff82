import type { Clock } from '../../src/common/clock.js';
import type { WireFrame } from '../../src/protocol/frames.js';
import type { Planning } from '../../src/server/planning.js';
import type { Listing } from '../../src/store/catalog.js';
import type { KvStore } from '../../src/store/kv.js';
import type { Store } from '../../src/store/store.js';
import type { Invariant } from './verdict.js';

export interface Databases {
  readonly objects: KvStore;
  readonly meta: KvStore;
}

/** What a plant has its hands on, in one life of a server. */
export interface Soil {
  readonly store: Store;
  readonly databases: Databases;
  /** Deletes a shadow copy as the engine does it. */
  readonly forget: (listing: Listing) => Promise<boolean>;
}

/** Parts of a server that are put in the place of its own, each of which does one thing wrong. */
export interface Planting {
  readonly databases?: (databases: Databases) => Databases;
  readonly store?: (store: Store) => void;
  readonly planning?: (planning: Planning, clock: Clock) => Planning;
  readonly frames?: (frames: AsyncIterator<WireFrame, void>) => AsyncIterator<WireFrame, void>;
  /** Instead of a collection. */
  readonly collect?: (collect: () => Promise<void>, soil: Soil) => Promise<void>;
  /** After machines were pruned. */
  readonly pruned?: (machines: readonly string[], soil: Soil) => Promise<void>;
}

/** A deliberate defect, which a run must find. */
export interface Plant extends Planting {
  readonly what: string;
  /** Any of them is right: which comes first is a matter of the seed. */
  readonly breaks: readonly Invariant[];
}

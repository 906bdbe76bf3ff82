import type { DiskFigures } from './reserve.js';
import type { SpaceReport } from './space-watch.js';
import type { Store } from './store.js';

/** What is known of a store without reading it. */
export interface StoreFigures {
  /** Those with shadow copies, by name. */
  readonly machines: readonly {
    readonly machine: string;
    readonly shadowCopies: number;
    /** When the newest was made, in milliseconds since 1970. */
    readonly newestMs: number;
  }[];
  readonly damagedObjects: number;
  readonly disk: DiskFigures;
  /** Absent until it was looked at. */
  readonly space?: SpaceReport;
}

/** Costs what the number of machines is, however many shadow copies and chunks there are. */
export function storeFigures(store: Store, disk: DiskFigures, space?: SpaceReport): StoreFigures {
  const { catalog, objectStore } = store;
  const machines = catalog.machines().map((machine) => ({
    machine,
    shadowCopies: catalog.shadowCopies(machine).length,
    newestMs: catalog.latest(machine)?.timeMs ?? 0,
  }));
  return { machines, damagedObjects: objectStore.quarantined.size, disk, ...(space && { space }) };
}

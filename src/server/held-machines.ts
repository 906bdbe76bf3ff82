import type { HeldMachine } from '../protocol/changes-api.js';
import type { Hold } from '../store/changes.js';
import type { Store } from '../store/store.js';

/** The machines of which nothing is deleted since too much has changed. */
export function heldMachines(store: Store): readonly HeldMachine[] {
  return store.changes.holds().map((hold) => heldMachine(store, hold));
}

/** Let what is kept of a machine be deleted again. @throws {UmbraError} as {@link Changes.acknowledge} */
export async function acknowledge(store: Store, machine: string, by: string): Promise<HeldMachine> {
  return heldMachine(store, await store.changes.acknowledge(machine, by));
}

function heldMachine(store: Store, { machine, name, timeMs, order, sudden }: Hold): HeldMachine {
  const held = store.catalog.shadowCopies(machine).filter((listing) => listing.order <= order);
  return {
    machine,
    shadowCopy: name,
    time: new Date(timeMs).toISOString(),
    ...sudden,
    heldShadowCopies: held.length,
  };
}

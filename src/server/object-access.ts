import { createHash } from 'node:crypto';
import { toHex, sameBytes } from '../codec/digest.js';
import { ObjectType } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import type { ObjectKind, ObjectPlace, ShadowCopiesAnswer } from '../protocol/objects-api.js';
import type { Listing } from '../store/catalog.js';
import type { Machines } from '../store/machines.js';
import type { Store } from '../store/store.js';
import { TreeReader } from '../tree/tree-reader.js';
import type { Caller } from './caller.js';
import type { ObjectSession } from './object-sessions.js';

export interface ObjectAccessOptions {
  /** Asked for each time: it may be rebuilt. */
  readonly store: () => Store;
  readonly machines: Machines;
}

/** What each caller may read of a store's shadow copies: operators all, an agent those of the machines that its host protects. */
export class ObjectAccess {
  readonly #options: ObjectAccessOptions;

  constructor(options: ObjectAccessOptions) {
    this.#options = options;
  }

  get store(): Store {
    return this.#options.store();
  }

  /** @param known the tag that the caller was given before */
  list(caller: Caller, known: string | undefined): ShadowCopiesAnswer {
    const { catalog, settings } = this.store;
    const host = caller.role === 'agent' ? caller.host : undefined;
    const machines = host === undefined ? undefined : this.#machinesOf(host);
    const shares = host === undefined ? settings.shares : [];
    const tag = createHash('sha256')
      .update(JSON.stringify([catalog.state, machines, shares]))
      .digest('hex');
    if (tag === known) return { tag };
    const listed = (machines ?? catalog.machines()).flatMap((machine) => catalog.shadowCopies(machine));
    const replicas = catalog.replicas().filter(({ machine }) => machines?.includes(machine) ?? true);
    return { tag, shadowCopies: listed.map(listedShadowCopy), replicas: replicas.map(listedShadowCopy), shares };
  }

  /**
   * A listed shadow copy.
   * @throws {UmbraError} FORBIDDEN for an agent that doesn't protect the machine, whether there is one or not; NOT_FOUND
   */
  find(caller: Caller, machine: string, shadowCopy: string, record: Uint8Array): Listing {
    this.#assertMayRead(caller, machine);
    const listing = this.store.catalog.find(machine, shadowCopy);
    if (sameBytes(listing.record, record)) return listing;
    throw new UmbraError('NOT_FOUND', `${machine}@${shadowCopy} was deleted; another one has its name`);
  }

  /**
   * Whether the caller may read objects. Operators may with any lease, since they may read every shadow copy. An agent says where
   * each is, and that is looked up from the root of a volume that it has a lease on: knowing a digest is not enough.
   * @throws {UmbraError} FORBIDDEN, NOT_FOUND for a volume that is not there, STORE_DAMAGED
   */
  async assertMayReadObjects(
    session: ObjectSession,
    kind: ObjectKind,
    digests: readonly Uint8Array[],
    places: readonly ObjectPlace[] | undefined,
  ): Promise<void> {
    if (!session.hasLeases) throw new UmbraError('FORBIDDEN', 'no shadow copy is leased');
    if (places === undefined && session.caller.role !== 'agent') return;
    const found = new Set<string>();
    for (const place of places ?? []) {
      const listing = session.listing(place.lease);
      this.#assertMayRead(session.caller, listing.machine);
      for (const digest of await this.#objectsAt(listing, place, kind)) found.add(toHex(digest));
    }
    if (digests.every((digest) => found.has(toHex(digest)))) return;
    throw new UmbraError('FORBIDDEN', 'an object is not where the request says');
  }

  /** The nodes on the way to a region, its leaf, or its chunks. */
  async #objectsAt(listing: Listing, { volume: name, region }: ObjectPlace, kind: ObjectKind): Promise<Uint8Array[]> {
    const { store } = this;
    const volume = (await store.record(listing)).volumes.find((candidate) => candidate.name === name);
    if (volume === undefined) {
      throw new UmbraError('NOT_FOUND', `${listing.machine}@${listing.name} has no volume "${name}"`);
    }
    const tree = new TreeReader(store.reader, volume);
    if (kind === 'chunk') return (await tree.chunks(region)).map(({ digest }) => digest);
    const levels = kind === 'leaf' ? [0] : Array.from({ length: tree.height }, (_, index) => index + 1);
    const nodes = await Promise.all(levels.map((level) => tree.nodeDigest(level, region)));
    return nodes.filter((digest) => digest !== undefined);
  }

  #assertMayRead(caller: Caller, machine: string): void {
    if (caller.role === 'agent') this.#options.machines.assertOf(machine, caller.host);
  }

  #machinesOf(host: string): string[] {
    return this.#options.machines.list().flatMap((machine) => (machine.host === host ? [machine.name] : []));
  }
}

export const TYPE_OF_KIND: Readonly<Record<ObjectKind, ObjectType>> = {
  inner: ObjectType.inner,
  leaf: ObjectType.leaf,
  chunk: ObjectType.chunk,
};

function listedShadowCopy({
  machine,
  name,
  timeMs,
  record,
  order,
}: Listing): NonNullable<ShadowCopiesAnswer['shadowCopies']>[number] {
  return { machine, shadowCopy: name, timeMs, record: toHex(record), order };
}

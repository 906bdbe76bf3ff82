import { randomUUID } from 'node:crypto';
import { EMPTY_DIGEST, sameBytes } from '../codec/digest.js';
import { MetaPrefix } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import { shadowCopyName } from '../common/names.js';
import { prefixRange } from './keys.js';
import type { KvReader } from './kv.js';
import { decodeListing, type Listing } from './listing.js';

export type { Listing } from './listing.js';

const NONE: readonly Listing[] = [];

/**
 * Which shadow copies are listed. Kept in memory, about 200 bytes each, so that listing thousands of them reads nothing;
 * the truth is in `meta`.
 */
export class Catalog {
  /** No array in it is ever changed: who was given one (a mount keeps an index of it) sees by another array that it is old. */
  readonly #machines = new Map<string, readonly Listing[]>();
  /** Those of `#machines`, sorted: they are asked for again and again. Undefined when one came or went since. */
  #names: readonly string[] | undefined;
  /** By machine. One that is here was made after all its shadow copies. */
  readonly #replicas = new Map<string, Listing>();
  readonly #id = randomUUID();
  #changes = 0;

  /** @throws {UmbraError} STORE_DAMAGED */
  static async load(meta: KvReader): Promise<Catalog> {
    const listings: Listing[] = [];
    for await (const [key, value] of meta.entries(prefixRange(MetaPrefix.catalog))) {
      listings.push(decodeListing(key, value));
    }
    for await (const [key, value] of meta.entries(prefixRange(MetaPrefix.replica))) {
      listings.push(decodeListing(key, value));
    }
    return Catalog.of(listings);
  }

  /**
   * A catalog of these listings, replicas among them; what is as in `before` is the same array.
   * @param before what was known until now
   */
  static of(listings: Iterable<Listing>, before?: Catalog): Catalog {
    const catalog = new Catalog();
    const machines = new Map<string, Listing[]>();
    for (const listing of listings) {
      if (listing.isReplica === true) {
        catalog.#replicas.set(listing.machine, listing);
        continue;
      }
      const listed = machines.get(listing.machine);
      if (listed === undefined) machines.set(listing.machine, [listing]);
      else listed.push(listing);
    }
    for (const [machine, listed] of machines) {
      const old = before?.shadowCopies(machine) ?? NONE;
      catalog.#machines.set(machine, isSame(listed.sort(byOrder), old) ? old : listed);
    }
    return catalog;
  }

  /** Another one after each change, and in each process. */
  get state(): string {
    return `${this.#id}.${this.#changes}`;
  }

  /** Machines with at least one shadow copy, sorted. */
  machines(): string[] {
    this.#names ??= [...this.#machines.keys()].sort();
    return [...this.#names];
  }

  /** The machine's shadow copies in the order they were made; empty if it is not known. */
  shadowCopies(machine: string): readonly Listing[] {
    return this.#machines.get(machine) ?? NONE;
  }

  *all(): Generator<Listing> {
    for (const machine of this.machines()) yield* this.shadowCopies(machine);
  }

  latest(machine: string): Listing | undefined {
    return this.shadowCopies(machine).at(-1);
  }

  /** The machine's replica, if it is newer than all of its shadow copies. */
  replica(machine: string): Listing | undefined {
    return this.#replicas.get(machine);
  }

  /** All replicas, sorted by machine. */
  replicas(): Listing[] {
    return [...this.#replicas.values()].sort((a, b) => (a.machine < b.machine ? -1 : 1));
  }

  /** What is the newest of a machine: its replica, or its newest shadow copy. */
  upToDate(machine: string): Listing | undefined {
    return this.replica(machine) ?? this.latest(machine);
  }

  /**
   * @param version a name, `latest` for the newest shadow copy, or `replica` for the newest that there is
   * @throws {UmbraError} NOT_FOUND
   */
  find(machine: string, version: string): Listing {
    const listed = this.shadowCopies(machine);
    const replica = this.replica(machine);
    if (replica !== undefined && (version === 'replica' || version === replica.name)) return replica;
    if (listed.length === 0 && replica !== undefined) {
      throw new UmbraError('NOT_FOUND', `"${machine}" has no shadow copy yet, only a replica`, {
        hint: `Name it as ${machine}@replica, or make a shadow copy of it: umbra backup ${machine} --from-replica`,
      });
    }
    if (listed.length === 0) {
      throw new UmbraError('NOT_FOUND', `there is no machine "${machine}" in the store`, {
        hint: 'Run "umbra list" to see the machines.',
      });
    }
    const isNewest = version === 'latest' || version === 'replica';
    const found = isNewest ? listed.at(-1) : listed.find(({ name }) => name === version);
    if (found !== undefined) return found;
    throw new UmbraError('NOT_FOUND', `"${machine}" has no shadow copy "${version}"`, {
      hint: `Run "umbra list ${machine}" to see its shadow copies.`,
    });
  }

  /** A name for a shadow copy made at `timeMs` that the machine does not have yet, and that `taken` does not refuse. */
  freeName(machine: string, timeMs: number, taken: (name: string) => boolean): string {
    const names = new Set(this.shadowCopies(machine).map(({ name }) => name));
    const replica = this.replica(machine);
    if (replica !== undefined) names.add(replica.name);
    for (let attempt = 1; ; attempt++) {
      const name = shadowCopyName(timeMs, attempt);
      if (!names.has(name) && !taken(name)) return name;
    }
  }

  /**
   * Of a replica: instead of the one before. A shadow copy ends a replica that was made before it. A machine's list is never changed in
   * place: whoever keeps one sees by its identity that it is out of date.
   */
  insert(listing: Listing): void {
    this.#changes++;
    if (listing.isReplica === true) {
      this.#replicas.set(listing.machine, listing);
      return;
    }
    if (endsReplica(listing, this.replica(listing.machine))) this.#replicas.delete(listing.machine);
    if (!this.#machines.has(listing.machine)) this.#names = undefined;
    this.#machines.set(listing.machine, [...this.shadowCopies(listing.machine), listing].sort(byOrder));
  }

  removeReplica(machine: string): void {
    this.#changes++;
    this.#replicas.delete(machine);
  }

  remove(machine: string, name: string): void {
    this.#changes++;
    const rest = this.shadowCopies(machine).filter((listing) => listing.name !== name);
    if (rest.length > 0) this.#machines.set(machine, rest);
    else if (this.#machines.delete(machine)) this.#names = undefined;
  }
}

/** True if a shadow copy was made after the machine's replica, which is no use any more then. */
export function endsReplica({ order }: Pick<Listing, 'order'>, replica: Listing | undefined): boolean {
  return replica !== undefined && replica.order < order;
}

function isSame(a: readonly Listing[], b: readonly Listing[]): boolean {
  return (
    a.length === b.length && a.every((listing, index) => sameBytes(listing.record, b[index]?.record ?? EMPTY_DIGEST))
  );
}

function byOrder(a: Listing, b: Listing): number {
  return a.order - b.order;
}

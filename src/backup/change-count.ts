import { BLOCK_BYTES, ObjectType } from '../codec/formats.js';
import { sameBytes } from '../codec/digest.js';
import { isUmbraError } from '../common/errors.js';
import type { CountChanges } from '../store/commits.js';
import type { VolumeRecord } from '../store/records.js';
import type { VolumeChange } from '../store/shadow-copy-change.js';
import type { IngestSession } from '../store/session.js';
import type { ObjectReader } from '../store/object-reader.js';
import { regionCount, type ChunkRef } from '../tree/node.js';
import { diffTrees } from '../tree/tree-diff.js';
import { TreeReader, type TreeRoot } from '../tree/tree-reader.js';

/** A chunk that keeps more of its length than this hardly shrinks: encrypted and compressed data keep all of it. */
const INCOMPRESSIBLE = 0.95;

/** How much of a region changed, in bytes of chunks. */
export type RegionChange = Pick<VolumeChange, 'changedBytes' | 'storedBytes' | 'incompressibleBytes'>;

const NOTHING: RegionChange = { changedBytes: 0, storedBytes: 0, incompressibleBytes: 0 };

/**
 * Counts how much of a volume is not as in the machine's newest shadow copy. That is looked up here, for every chunk, whatever whoever
 * sends the volume says it is based on, and whether or not the store had the chunk: what was sent before and given up counts too.
 */
export class ChangeCount {
  readonly #previous: VolumeRecord | undefined;
  readonly #tree: TreeReader | undefined;
  readonly #reader: ObjectReader;
  readonly #session: IngestSession;
  /** The tree that regions which do not come are taken from, if it is not that of the newest shadow copy, and those that came. */
  readonly #rest: { readonly base: TreeRoot; readonly came: Uint8Array } | undefined;
  #total = NOTHING;

  /**
   * @param previous the volume in the newest shadow copy; its shadow copy is leased
   * @param base what regions that do not come are as in, which is leased, too
   */
  constructor(previous: VolumeRecord | undefined, reader: ObjectReader, session: IngestSession, base?: TreeRoot) {
    this.#previous = previous;
    this.#reader = reader;
    if (previous !== undefined && base !== undefined && !sameBytes(previous.root, base.root)) {
      this.#rest = { base, came: new Uint8Array(regionCount(base.sizeBytes)) };
    }
    this.#tree = previous === undefined ? undefined : new TreeReader(reader, previous);
    this.#session = session;
  }

  /** How much of a region changed, whose chunks are stored. What lies behind the end that the volume had is no change of what was there. */
  async of(region: number, leaf: Uint8Array, chunks: readonly ChunkRef[]): Promise<RegionChange> {
    if (this.#previous === undefined || region >= regionCount(this.#previous.sizeBytes)) return NOTHING;
    const before = await this.#chunksBefore(region, leaf);
    if (before === undefined) return NOTHING;
    const known = new Set(before.map(({ digest }) => nameOf(digest)));
    const changed = chunks.filter(({ digest }) => !known.has(nameOf(digest)));
    if (changed.length === 0) return NOTHING;
    const lengths = await this.#session.storedBytes(
      ObjectType.chunk,
      changed.map(({ digest }) => digest),
    );
    return changed.map((chunk, index) => changeOf(chunk, lengths[index] ?? 0)).reduce(sum);
  }

  add(change: RegionChange): void {
    this.#total = sum(this.#total, change);
  }

  /** A region came: what the base has of it does not count. */
  came(region: number): void {
    if (this.#rest !== undefined && region < this.#rest.came.length) this.#rest.came[region] = 1;
  }

  /**
   * Count what did not come and yet is not as in the newest shadow copy, once all has come: the base is another one, as a replica is. What
   * damage keeps from being known does not count.
   */
  async addRest(): Promise<void> {
    if (this.#previous === undefined || this.#rest === undefined) return;
    const { base, came } = this.#rest;
    const tree = new TreeReader(this.#reader, base);
    try {
      for await (const { region, to } of diffTrees(this.#reader, this.#previous, base)) {
        if (to === undefined || came[region] === 1) continue;
        const chunks = await tree.chunksOfLeaf(to);
        this.add(await this.of(region, to, chunks));
      }
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) throw error;
    }
  }

  /** What the shadow copy's record says of the volume: nothing of one that the newest shadow copy does not have. */
  result(): readonly VolumeChange[] {
    if (this.#previous === undefined) return [];
    const { name, dataBytes } = this.#previous;
    return [{ name, comparedBytes: dataBytes, ...this.#total }];
  }

  /** Undefined if nothing changed, or damage keeps that from being known. */
  async #chunksBefore(region: number, leaf: Uint8Array): Promise<readonly ChunkRef[] | undefined> {
    try {
      const before = await this.#tree?.leafDigest(region);
      if (before === undefined) return [];
      return sameBytes(before, leaf) ? undefined : await this.#tree?.chunksOfLeaf(before);
    } catch (error) {
      if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
      throw error;
    }
  }
}

/** How much of a machine is not as in its newest shadow copy, of which both are leased. */
export function changesBetween(reader: ObjectReader): CountChanges {
  return async (previous, now, session) => {
    const changes: VolumeChange[] = [];
    for (const volume of now.volumes) {
      const before = previous.volumes.find(({ name }) => name === volume.name);
      const count = new ChangeCount(before, reader, session, volume);
      await count.addRest();
      changes.push(...count.result());
    }
    return changes;
  };
}

function changeOf({ blocks }: ChunkRef, storedBytes: number): RegionChange {
  const changedBytes = blocks * BLOCK_BYTES;
  return {
    changedBytes,
    storedBytes,
    incompressibleBytes: storedBytes > INCOMPRESSIBLE * changedBytes ? changedBytes : 0,
  };
}

function sum(a: RegionChange, b: RegionChange): RegionChange {
  return {
    changedBytes: a.changedBytes + b.changedBytes,
    storedBytes: a.storedBytes + b.storedBytes,
    incompressibleBytes: a.incompressibleBytes + b.incompressibleBytes,
  };
}

function nameOf(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1');
}

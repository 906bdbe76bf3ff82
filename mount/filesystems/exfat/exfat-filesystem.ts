import { UmbraError } from '../../../src/common/errors.js';
import type { MetadataReader } from '../../blocks/block-cache.js';
import { type ByteRuns, ClusterBytes, LimitedBytes } from '../fat/byte-runs.js';
import { ClusterChain } from '../fat/cluster-chain.js';
import { ClusterFile } from '../fat/cluster-file.js';
import { type ClusterEntry, ClusterFilesystem, type NamedEntry, ROOT, ROOT_FACTS } from '../fat/cluster-filesystem.js';
import { type ClusterTable, FIRST_CLUSTER } from '../fat/cluster-table.js';
import { SLOT_BYTES } from '../fat/directory-slots.js';
import { countFreeClusters } from './bitmap-usage.js';
import type { ExfatLayout } from './boot-region.js';
import { exfatEntries, type PlacedSet } from './directory-entries.js';
import { parseFileEntry } from './file-entry.js';
import type { Stream } from './root-entries.js';
import type { UpcaseTable } from './upcase-table.js';

/** What is known once it is open. */
export interface ExfatParts {
  readonly reader: MetadataReader;
  readonly layout: ExfatLayout;
  readonly table: ClusterTable;
  readonly upcase: UpcaseTable;
  readonly bitmap: Stream | undefined;
  readonly label: string;
  readonly problems: readonly string[];
}

/**
 * An exFAT file system. A file's id is twice the place of its entry in units of 32 bytes, and one more if the clusters
 * of its directory follow each other: what belongs to the entry may stand in the directory's next cluster.
 */
export class ExfatFilesystem extends ClusterFilesystem {
  readonly type = 'exfat';
  /** A name of 255 code units has 19 entries in all. */
  protected readonly entryBytes = 19 * SLOT_BYTES;
  readonly #layout: ExfatLayout;
  readonly #table: ClusterTable;
  readonly #upcase: UpcaseTable;
  readonly #bitmap: Stream | undefined;

  constructor({ reader, layout, table, upcase, bitmap, label, problems }: ExfatParts) {
    super({ reader, geometry: layout, label, serial: layout.serial, sizeBytes: layout.sizeBytes, problems });
    this.#layout = layout;
    this.#table = table;
    this.#upcase = upcase;
    this.#bitmap = bitmap;
  }

  protected entry(id: number): ClusterEntry | Promise<ClusterEntry> {
    if (id === ROOT) return { ...ROOT_FACTS, firstCluster: this.#layout.rootCluster, sizeBytes: 0, validBytes: 0 };
    const { clusterBytes, heapOffset } = this.#layout;
    const offset = Math.floor(id / 2) * SLOT_BYTES;
    const isLast = (offset - heapOffset) % clusterBytes === clusterBytes - SLOT_BYTES;
    if (isLast) return this.#splitEntry(offset, id % 2 === 1);
    const both = this.reader.get(offset, 2 * SLOT_BYTES);
    return both instanceof Promise ? both.then((bytes) => this.#parse(bytes)) : this.#parse(both);
  }

  /** The entry of a file whose stream's entry stands in the directory's next cluster. */
  async #splitEntry(offset: number, isContiguous: boolean): Promise<ClusterEntry> {
    const { clusterBytes, heapOffset } = this.#layout;
    const cluster = Math.floor((offset - heapOffset) / clusterBytes) + FIRST_CLUSTER;
    const next = isContiguous ? cluster + 1 : await this.#table.next(cluster);
    if (!this.#table.has(next)) throw new UmbraError('FILESYSTEM_DAMAGED', `the entry at ${offset} is cut off`);
    const file = await this.reader.get(offset, SLOT_BYTES);
    const stream = await this.reader.get(heapOffset + (next - FIRST_CLUSTER) * clusterBytes, SLOT_BYTES);
    return this.#parse(Buffer.concat([file, stream]));
  }

  #parse(bytes: Buffer): ClusterEntry {
    return parseFileEntry(bytes.subarray(0, SLOT_BYTES), bytes.subarray(SLOT_BYTES), this.#layout);
  }

  protected runsOf(id: number, { firstCluster, contiguousClusters, isDirectory, sizeBytes }: ClusterEntry): ByteRuns {
    const chain =
      contiguousClusters === undefined
        ? new ClusterChain(this.#table, firstCluster)
        : ClusterChain.contiguous(this.#table, firstCluster, contiguousClusters);
    const bytes = new ClusterBytes(chain, this.#layout);
    return isDirectory && id !== ROOT ? new LimitedBytes(bytes, sizeBytes) : bytes;
  }

  protected async *scan(
    directory: number,
    runs: ByteRuns,
    fromSlot: number,
    pieceBytes: number,
  ): AsyncGenerator<readonly NamedEntry[]> {
    const { contiguousClusters } = await this.entry(directory);
    const flag = contiguousClusters === undefined ? 0 : 1;
    for await (const sets of exfatEntries(this.reader, runs, this.#upcase, { fromSlot, pieceBytes })) {
      yield sets.map((set) => namedEntry(set, flag));
    }
  }

  protected fold(name: string): string {
    return this.#upcase.fold(name);
  }

  protected async countFree(): Promise<number> {
    const bitmap = this.#bitmap;
    if (bitmap === undefined) throw new UmbraError('FILESYSTEM_DAMAGED', 'it has no bitmap of its clusters');
    const { clusters } = this.#layout;
    const length = Math.ceil(clusters / 8);
    if (bitmap.sizeBytes < length)
      throw new UmbraError('FILESYSTEM_DAMAGED', 'its bitmap is shorter than its clusters');
    const runs = new ClusterBytes(new ClusterChain(this.#table, bitmap.firstCluster), this.#layout);
    return await countFreeClusters(new ClusterFile(this.reader.source, runs, length), clusters);
  }
}

function namedEntry({ name, offset, slot, isDirectory }: PlacedSet, flag: number): NamedEntry {
  return { name, alias: name, id: (offset / SLOT_BYTES) * 2 + flag, slot, isDirectory };
}

import type { MetadataReader } from '../../blocks/block-cache.js';
import type { FatLayout } from './boot-sector.js';
import { type ByteRuns, ClusterBytes, FixedBytes } from './byte-runs.js';
import { ClusterChain } from './cluster-chain.js';
import { type ClusterEntry, ClusterFilesystem, type NamedEntry, ROOT, ROOT_FACTS } from './cluster-filesystem.js';
import type { ClusterTable } from './cluster-table.js';
import { ENTRY_BYTES, fatEntries } from './directory-entries.js';
import { SLOT_BYTES } from './directory-slots.js';
import { countFreeClusters } from './fat-usage.js';
import { parseFileEntry } from './file-entry.js';
import { foldName } from './fold-name.js';

/** What is known once it is open. */
export interface FatParts {
  readonly reader: MetadataReader;
  readonly layout: FatLayout;
  readonly table: ClusterTable;
  readonly label: string;
  readonly problems: readonly string[];
}

/** A FAT12, FAT16 or FAT32 file system with long names. A file's id is the place of its entry in units of 32 bytes. */
export class FatFilesystem extends ClusterFilesystem {
  readonly type = 'vfat';
  protected readonly entryBytes = ENTRY_BYTES;
  readonly #layout: FatLayout;
  readonly #table: ClusterTable;

  constructor({ reader, layout, table, label, problems }: FatParts) {
    super({ reader, geometry: layout, label, serial: layout.serial, sizeBytes: layout.sizeBytes, problems });
    this.#layout = layout;
    this.#table = table;
  }

  protected entry(id: number): ClusterEntry | Promise<ClusterEntry> {
    const { kind, rootCluster } = this.#layout;
    if (id === ROOT) return { ...ROOT_FACTS, firstCluster: rootCluster, sizeBytes: 0, validBytes: 0 };
    const slot = this.reader.get(id * SLOT_BYTES, SLOT_BYTES);
    if (slot instanceof Promise) return slot.then((bytes) => parseFileEntry(bytes, kind === 32));
    return parseFileEntry(slot, kind === 32);
  }

  protected runsOf(id: number, { firstCluster }: ClusterEntry): ByteRuns {
    const { kind, rootOffset, rootBytes } = this.#layout;
    if (id === ROOT && kind !== 32) return new FixedBytes(rootOffset, rootBytes);
    return new ClusterBytes(new ClusterChain(this.#table, firstCluster), this.#layout);
  }

  protected scan(
    _directory: number,
    runs: ByteRuns,
    fromSlot: number,
    pieceBytes: number,
  ): AsyncIterable<readonly NamedEntry[]> {
    return fatEntries(this.reader, runs, fromSlot, pieceBytes);
  }

  protected fold(name: string): string {
    return foldName(name);
  }

  protected async countFree(): Promise<number> {
    return await countFreeClusters(this.reader.source, this.#layout);
  }
}

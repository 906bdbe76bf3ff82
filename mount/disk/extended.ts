import { type BootRecord, isExtended, mbrPartition, type MbrEntry, readEntries } from './mbr.js';
import { MAX_PARTITIONS, type Partition } from './partition.js';
import type { Probe } from './probe.js';

/** Links in a row without a partition that are followed, as Linux does. */
const MAX_EMPTY_LINKS = 100;

/** Logical partitions, and what was wrong with the chain that leads to them. */
export interface LogicalPartitions {
  readonly partitions: readonly Partition[];
  readonly problem?: string;
}

/**
 * The logical partitions of the first extended one, as Linux finds them (block/partitions/msdos.c): a chain of boot
 * records, in each an entry for a partition, counted from that record, and one for the next record, counted from
 * the start of the extended partition.
 */
export async function readLogicalPartitions(
  probe: Probe,
  record: BootRecord,
  sectorBytes: number,
): Promise<LogicalPartitions> {
  const extended = record.entries.find(isExtended);
  return extended === undefined ? { partitions: [] } : await new Chain(probe, record, extended, sectorBytes).follow();
}

class Chain {
  readonly #probe: Probe;
  readonly #record: BootRecord;
  readonly #first: MbrEntry;
  readonly #sectorBytes: number;
  readonly #partitions: Partition[] = [];
  readonly #seen = new Set<number>();

  constructor(probe: Probe, record: BootRecord, first: MbrEntry, sectorBytes: number) {
    this.#probe = probe;
    this.#record = record;
    this.#first = first;
    this.#sectorBytes = sectorBytes;
  }

  async follow(): Promise<LogicalPartitions> {
    let [at, sectors, emptyLinks] = [this.#first.startSector, this.#first.sectors, 0];
    while (emptyLinks <= MAX_EMPTY_LINKS && this.#partitions.length < MAX_PARTITIONS) {
      if (this.#seen.has(at)) return this.#broken('leads back to itself');
      this.#seen.add(at);
      const sector = await this.#probe.at(at * this.#sectorBytes, 512);
      const entries = sector && readEntries(sector);
      if (entries === undefined) return this.#broken('is broken');
      const found = this.#partitions.length;
      entries.forEach((entry, index) => {
        if (this.#isPartition(entry, index, at, sectors)) this.#add(entry, at);
      });
      emptyLinks = this.#partitions.length > found ? 0 : emptyLinks + 1;
      const link = entries.find(isExtended);
      if (link === undefined) return { partitions: this.#partitions };
      [at, sectors] = [this.#first.startSector + link.startSector, link.sectors];
    }
    return this.#broken('is too long');
  }

  /** The third and fourth entry sometimes hold garbage: they count only where they lie inside. */
  #isPartition(entry: MbrEntry, index: number, at: number, sectors: number): boolean {
    if (entry.sectors === 0 || isExtended(entry)) return false;
    if (index < 2) return true;
    const start = at + entry.startSector;
    const end = this.#first.startSector + this.#first.sectors;
    if (entry.startSector + entry.sectors > sectors) return false;
    return start >= this.#first.startSector && start + entry.sectors <= end;
  }

  #add(entry: MbrEntry, at: number): void {
    const start = (at + entry.startSector) * this.#sectorBytes;
    const number = 5 + this.#partitions.length;
    this.#partitions.push(mbrPartition(entry, this.#record.diskId, number, start, this.#sectorBytes));
  }

  #broken(how: string): LogicalPartitions {
    const shown = this.#partitions.length;
    return {
      partitions: this.#partitions,
      problem: `the chain of logical partitions ${how}; the ${shown} before that are shown`,
    };
  }
}

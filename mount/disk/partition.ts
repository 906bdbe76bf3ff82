/** An entry of a partition table, before it is known whether it lies on the disk. */
export interface Partition {
  /** As Linux counts them. */
  readonly number: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** A GUID in lower case, or `0x83`. */
  readonly type: string;
  readonly label: string;
  readonly uuid: string;
}

/** A partition table. */
export interface PartitionTable {
  readonly scheme: 'gpt' | 'mbr';
  readonly sectorBytes: number;
  readonly partitions: readonly Partition[];
  readonly problems: readonly string[];
}

/** As many partitions of a disk as Linux shows. */
export const MAX_PARTITIONS = 256;

/** Sizes of the sectors by which tables count: those of old disks and of new ones. */
export const SECTOR_SIZES = [512, 4096] as const;

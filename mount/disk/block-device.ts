import type { ByteSource } from '../blocks/byte-source.js';

/**
 * Why nothing is shown: it holds no files at all, its files are of a kind that is not read here, or what leads to them is
 * damaged. Only the last is anybody's trouble.
 */
export type UnreadableCause = 'no-files' | 'not-read' | 'damaged';

/** Why the files of something can't be shown, in plain words, and what its owner can do. */
export interface Unreadable {
  /** What it is: a sentence without its full stop. */
  readonly what: string;
  /** What to do: sentences. */
  readonly hint: string;
  /** `not-read` without it. */
  readonly cause?: UnreadableCause;
  /** Commands for root that do it, `LOOP` standing for a loop device over its bytes and `NAME` for its name. */
  readonly commands?: readonly string[];
}

/** An entry of a partition table. */
export interface PartitionOrigin {
  readonly kind: 'partition';
  /** What the table lies on: a volume, an md array, a logical volume; by its name. */
  readonly disk: string;
  readonly scheme: 'gpt' | 'mbr';
  /** As Linux counts them: 1 to 4 are the primary ones of an MBR, logical ones follow from 5. */
  readonly number: number;
  /** The type's GUID in lower case, or the type byte of an MBR as `0x83`. */
  readonly type: string;
  /** Its name in a GPT; empty without one. */
  readonly label: string;
  /** As `blkid` prints PARTUUID. */
  readonly uuid: string;
  /** On `disk`. */
  readonly startBytes: number;
}

/** A volume, an array or a logical volume in which no partition table was found. */
export interface WholeOrigin {
  readonly kind: 'volume';
}

export interface LogicalVolumeOrigin {
  readonly kind: 'logical-volume';
  readonly volumeGroup: string;
  readonly logicalVolume: string;
  readonly uuid: string;
  /** As `lvs -o segtype` calls it: `linear`, `striped`, `raid1`, `thin`. */
  readonly layout: string;
}

/** A Linux software RAID. */
export interface ArrayOrigin {
  readonly kind: 'md-array';
  readonly uuid: string;
  /** As mdadm calls it: `raid1`. */
  readonly level: string;
}

/** Where a block device comes from. */
export type Origin = WholeOrigin | PartitionOrigin | LogicalVolumeOrigin | ArrayOrigin;

/** Something in the volumes of a machine that may hold a file system. */
export interface BlockDevice {
  /** Unique in its machine, the same each time, and safe as the name of a file: `vda1`, `vg0-root`. */
  readonly name: string;
  /** Its bytes; none if it is `unreadable`. */
  readonly source: ByteSource;
  readonly origin: Origin;
  /** Set if its bytes can't be had at all: a part of it is missing, or it is of a kind that is not read. */
  readonly unreadable?: Unreadable;
  /** What was found wrong on the way to it, in plain words. */
  readonly problems: readonly string[];
}

import type { BlockCache } from '../blocks/block-cache.js';
import type { ByteSource } from '../blocks/byte-source.js';
import type { Unreadable, UnreadableCause } from '../disk/block-device.js';
import type { Filesystem } from '../filesystems/filesystem.js';

/** A volume of a machine, to be searched for partitions. */
export interface GuestVolume {
  readonly name: string;
  readonly source: ByteSource;
  /** Set if its bytes can't be had at all. */
  readonly unreadable?: Unreadable;
}

/** Something that has no files for us, and why. */
export interface UnreadableContent {
  /** In plain words, one or more lines: what it is, and what to do. */
  readonly text: string;
  readonly cause: UnreadableCause;
}

/** What a partition, a logical volume or a whole volume holds. */
export type GuestContent =
  | { readonly filesystem: Filesystem }
  | { readonly unreadable: UnreadableContent }
  /** Nothing that anybody misses: a part of something that is shown elsewhere, or empty space. */
  | { readonly nothing: true };

/** A place in a machine's volumes where a file system may be: a partition, a logical volume, a whole volume. */
export interface GuestDevice {
  /** As the guest names it: `vda1`, `vg0-root`. */
  readonly name: string;
  readonly sizeBytes: number;
  /** What was found wrong on the way to it: a damaged partition table. */
  readonly problems?: readonly string[];
  /** Its bytes, if they can be had. What it holds may lie in others too: a file system of several devices. */
  readonly source?: ByteSource;
  /**
   * Look what it holds.
   * @throws {UmbraError} FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED
   */
  open(cache: BlockCache): Promise<GuestContent>;
}

/**
 * Finds the devices of a machine: reads partition tables and volume groups, and no file system.
 * @throws {UmbraError} STORE_DAMAGED
 */
export type FindDevices = (volumes: readonly GuestVolume[]) => Promise<readonly GuestDevice[]>;

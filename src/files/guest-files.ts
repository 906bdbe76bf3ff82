import type { ByteSource } from '../../mount/blocks/byte-source.js';
import type { Eventually } from '../common/eventually.js';
import type { Guest } from '../../mount/files/shadow-files.js';

export type { Guest } from '../../mount/files/shadow-files.js';

/** The file systems in one shadow copy, as far as they are needed here; mount/files/shadow-files.ts has them. */
export interface GuestFiles {
  /** Partitions and logical volumes in which something may be. */
  readonly names: readonly string[];
  /** The bytes of a device, if they can be had; a file system of several devices has more. */
  source(name: string): ByteSource | undefined;
  /** Undefined if there is none of that name, or nothing in it. */
  guest(name: string): Eventually<Guest | undefined>;
  guests(): Promise<readonly Guest[]>;
  /** Let go of what is open of a device; it is opened again when it is asked for. */
  release(name: string): void;
  /** Idempotent. */
  close(): Promise<void>;
}

import type { Eventually } from '../src/common/eventually.js';
import type { Share } from '../src/common/share-names.js';

/**
 * What the mounted tree shows, seen from the tree: a local store, or a server over the network.
 * Nothing here costs more than a look-up until {@link ShadowCopySource.open} is called.
 */
export interface ShadowCopySource {
  /** Names of all machines that have a shadow copy, sorted. */
  machines(): Promise<readonly string[]>;
  /**
   * The machine's shadow copies in the order they were made, the latest last; empty when there is no such machine. At
   * once if they are in memory.
   * Asked for with every look-up of a path: the same array should come back until something in it changes, since
   * the tree keeps an index of names for each array it has seen last.
   */
  shadowCopies(machine: string): Eventually<readonly ShadowCopySummary[]>;
  /** The shares of the store, sorted by name; none without it. The same array comes back until something in it changes. */
  shares?(): readonly Share[];
  /** @throws {UmbraError} NOT_FOUND, STORE_DAMAGED */
  open(machine: string, shadowCopy: string): Promise<ShadowCopyView>;
}

export interface ShadowCopySummary {
  readonly name: string;
  readonly timeMs: number;
}

/** One shadow copy's metadata; holds nothing open. */
export interface ShadowCopyView {
  readonly timeMs: number;
  /** What `about.json` shows. */
  readonly about: Readonly<Record<string, unknown>>;
  readonly config: readonly { readonly name: string; readonly data: Uint8Array }[];
  readonly volumes: readonly VolumeSummary[];
  /**
   * Open a volume for reading. While it is open the shadow copy can't be forgotten.
   * @throws {UmbraError} NOT_FOUND
   */
  openVolume(name: string): Promise<VolumeReader>;
  /**
   * Open a volume to look something up in it. The shadow copy can be forgotten all the same: its data stays until the
   * reader is closed, so close it soon.
   * @throws {UmbraError} NOT_FOUND, also when the shadow copy is forgotten
   */
  lookInto(name: string): Promise<VolumeReader>;
  /**
   * Keep the shadow copy from being forgotten until the function that is returned is called (once is enough).
   * @param holder shown to who wants to forget it: `FILE is open in a mount`
   * @throws {UmbraError} NOT_FOUND when it is forgotten
   */
  keep(holder: string): Eventually<() => void>;
}

export interface VolumeSummary {
  readonly name: string;
  readonly sizeBytes: number;
  /** Bytes not in holes. */
  readonly dataBytes: number;
}

export interface VolumeReader {
  readonly sizeBytes: number;
  /**
   * Fill `target` with the bytes from `offset`, up to the volume's end.
   * Reads ahead when calls are sequential; concurrent calls are fine.
   * @returns the number of bytes, less than `target.length` only at the end; at once if they are in memory
   * @throws {UmbraError} STORE_DAMAGED, naming the chunk
   */
  read(target: Uint8Array, offset: number): number | Promise<number>;
  /**
   * These bytes are going to be read, soon and in order: have them ready. What is not announced is read ahead as the
   * reads themselves show it.
   */
  willRead?(offset: number, length: number): void;
  /** Idempotent. */
  close(): Promise<void>;
}

import type { ImageFormat } from '../../../src/protocol/api.js';
import type { SkippedVolume } from '../../../src/protocol/agents-api.js';
import type { GuestControl } from '../../checkpoints/guest-control.js';
import type { Checkpoint } from '../tracker.js';
import type { StartImage } from './newest-overlay.js';

/** A disk, and the files that it is made of. */
export interface ChainDisk {
  readonly volume: string;
  /** Of the top. */
  readonly format: ImageFormat;
  readonly sizeBytes: number;
  /** Absolute paths as whoever runs the machine knows them, the top first. */
  readonly layers: readonly string[];
}

/** An overlay that lies ready. */
export interface Overlay {
  readonly disk: ChainDisk;
  readonly path: string;
}

/** A merge of a layer into the one below it. */
export interface Merge {
  readonly disk: ChainDisk;
  /** Its number in the disk's layers; 0 is what the guest writes to. */
  readonly layer: number;
}

/** An overlay that is merged, and not deleted yet. */
export interface Merged {
  readonly volume: string;
  readonly path: string;
  readonly onto: string;
}

/** Notes durably which overlays of a volume are about to be merged; none, if that did not come about. */
export type NoteMerges = (volume: string, merges: readonly Merged[]) => Promise<void>;

/** Does something while the machine stands still, quickly. */
export type WhileStill = (action: () => Promise<void>) => Promise<void>;

/**
 * A machine whose disks can be given overlays: by QEMU's monitor, by libvirt. A connection to it, used for one checkpoint.
 * @throws {UmbraError} from every method: TRACKER_*, HYPERVISOR_*, IMAGE_*
 */
export interface OverlayMachine {
  /** For checkpoints: its processors run on if {@link cover} is of one instant anyway. */
  readonly control: GuestControl;
  /** For {@link WhileStill}, where that is another one. */
  readonly stillControl?: GuestControl;
  /** Off: its images are read as they are, and nothing is put on them. */
  readonly isOff: boolean;
  /** Names this run of its QEMU, and no other; undefined if it is off, or its process is not to be seen. */
  run(): Promise<string | undefined>;
  /** The user QEMU runs as. */
  owner(): Promise<number>;
  disks(): Promise<{ readonly disks: readonly ChainDisk[]; readonly skipped: readonly SkippedVolume[] }>;
  /** Why no overlays may be put on its disks now. @throws {UmbraError} TRACKER_UNAVAILABLE */
  refuse(disks: readonly ChainDisk[]): Promise<void>;
  /** All that can be done for {@link cover} before the machine stands still. */
  prepare(overlays: readonly Overlay[]): Promise<void>;
  /** From one instant on the guest writes into the overlays. */
  cover(overlays: readonly Overlay[]): Promise<void>;
  /**
   * The layer is gone from the chain when this resolves, its content is in the one below. Its file stays.
   * @throws {UmbraError} TRACKER_BUSY when somebody else's job runs: then it was not begun
   */
  merge(merge: Merge, whileStill: WhileStill): Promise<void>;
  /**
   * See the jobs to their end that an agent before has begun, and take away what it has left in a QEMU.
   * @param merging - the volume that the agent was at, as it has noted
   * @throws {UmbraError} TRACKER_BUSY while somebody else's job of a disk runs, which is left alone
   */
  tidy(merging: string | undefined, whileStill: WhileStill): Promise<void>;
  /**
   * Where somebody runs the machine who may not know what overlays it has: have it be as they take it to be. While it runs,
   * overlays that they don't know of are merged into what they take for the top, and nothing of its QEMU has one of them open any more
   * when this resolves; while it is off, it starts from them.
   * @param left - overlays of ours that are on none of its {@link disks}, and may hold something
   * @param note - called before a merge begins
   * @returns those that are merged, and part of nothing any more
   * @throws {UmbraError} TRACKER_BUSY, TRACKER_FAILED: says what must not be done until it succeeds
   */
  takeBack?(left: readonly string[], whileStill: WhileStill, note: NoteMerges): Promise<readonly Merged[]>;
  /**
   * Have a machine that runs start the next time from what its disks are now: whoever runs it was killed between noting the one and the other.
   * @param ours - overlays: what somebody else has it start from is his business
   * @returns the volumes for which that was not so
   * @throws {UmbraError} TRACKER_FAILED, HYPERVISOR_*
   */
  startAsItRuns?(ours: readonly string[]): Promise<readonly string[]>;
  /**
   * Of a machine that is off: it starts from this image of a disk from now on, which all layers above it are merged into.
   * Undefined where nobody knows from what it starts.
   */
  readonly startFrom: ((disk: ChainDisk, image: StartImage) => Promise<void>) | undefined;
  config(): Promise<Checkpoint['config']>;
  /** Never rejects. */
  close(): Promise<void>;
}

/** The overlay that was put on a disk. */
export function overlayOf(overlays: readonly Overlay[], { volume }: ChainDisk): string | undefined {
  return overlays.find(({ disk }) => disk.volume === volume)?.path;
}

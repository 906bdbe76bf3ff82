import type { ByteRange, Consistency, ImageFormat } from '../../src/protocol/api.js';
import type { TrackerKind } from '../../src/protocol/agents-api.js';

/** An agent's way to know what changed in a machine's volumes, made for one machine and used for one checkpoint at a time. */
export interface Tracker {
  readonly kind: TrackerKind;
  /**
   * Bring the machine to a standstill for an instant, record, and let it go on. First it takes away whatever an agent that
   * was killed has left behind. The guest goes on whether this resolves or rejects.
   * @throws {UmbraError} TRACKER_* when this tracker can't make one, IMAGE_*, CANCELLED
   */
  checkpoint(request: CheckpointRequest): Promise<Checkpoint>;
  /**
   * Let the machine go on, and take away what a backup that nobody ended has left in it: all but what changes are followed with.
   * Not while a checkpoint of it is there. Harmless where nothing is left; absent where nothing ever is.
   * @throws {UmbraError} when the machine, or what runs it, can't be reached
   */
  recover?(): Promise<void>;
  /** Let go of the machine: take away everything that this tracker keeps for it, logs and bitmaps among it. */
  forget(): Promise<void>;
  /** It has left something in the machine's way that is to go when another tracker is chosen. Absent: never. */
  isInUse?(): Promise<boolean>;
}

export interface CheckpointRequest {
  /** Names the checkpoint for good, a later request gives it as `since`: 1 to 32 of `a-z0-9`. */
  readonly id: string;
  /**
   * The checkpoint from which the newest shadow copy on the server was made; undefined when there is none. The server decides
   * this, not the tracker: an acknowledgement may have been lost. All older checkpoints may be dropped.
   */
  readonly since: string | undefined;
  /** Wanted volumes by name; all of them when absent. */
  readonly volumes?: readonly string[];
  readonly signal: AbortSignal;
}

/** All volumes of a machine as of one instant. What changes since `since` is recorded on, also if this one is never acknowledged. */
export interface Checkpoint {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** Of a machine that nobody can stop known only after {@link assertUnchanged}, as the notes are. */
  readonly consistency: Consistency;
  /** How long the guest stood still or could not write. */
  readonly pauseMs: number;
  /** For people: why the consistency is not the wanted one, why changes are not known. */
  readonly notes: readonly string[];
  readonly volumes: readonly CheckpointVolume[];
  /** The machine's configuration at that instant. */
  readonly config: readonly { readonly name: string; readonly data: Uint8Array }[];
  /**
   * Say whether everything that was read so far is of that instant: called when all was read, before the server makes a shadow
   * copy of it. Absent where each read says so itself.
   * @throws {UmbraError} IMAGE_CHANGED, IMAGE_IN_USE
   */
  assertUnchanged?(): Promise<void>;
  /**
   * The server has made it durable: what was kept for `since` may go. Called before {@link close}, or not at all.
   * @throws {UmbraError} when the log could not be cut short; it is then cut short by the next checkpoint
   */
  acknowledge(): Promise<void>;
  /** End the stable view and take away all that was made for reading it. Idempotent; never rejects; the guest runs on, whatever happened. */
  close(): Promise<void>;
}

/** A volume as of a checkpoint. Reads that run at the same time are fine. */
export interface CheckpointVolume {
  readonly name: string;
  /** Where it lies on the host. */
  readonly path: string;
  readonly format: ImageFormat;
  readonly sizeBytes: number;
  /**
   * Names the content of its image. Given where it is the server, and not the tracker, that remembers what the image was in the
   * newest shadow copy: {@link changesKnown} says then only that nothing has changed if that is the same.
   */
  readonly fingerprint?: string;
  /** False when nobody can vouch for what changed since `since`: then everything is compared. */
  readonly changesKnown: boolean;
  /**
   * What may have changed since `since`, in order, not overlapping; the tracker vouches for all the rest.
   * Only called if {@link changesKnown}.
   */
  changes(): AsyncIterable<ChangedRange>;
  /** The data extents in order, not overlapping; everything between them reads as zeros. */
  extents(): AsyncIterable<ByteRange>;
  /**
   * Fill `target` from `offset`; the range lies inside the volume.
   * @throws {UmbraError} IMAGE_FAILED; IMAGE_CHANGED when the stable view is lost (no room for it, QEMU died)
   */
  read(target: Uint8Array, offset: number): Promise<void>;
}

export interface ChangedRange extends ByteRange {
  /** Known to read as zeros: need not be read. */
  readonly isZero?: boolean;
}

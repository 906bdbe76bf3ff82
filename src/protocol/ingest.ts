import type { BackupVolumeResult, Consistency, ImageFormat } from './api.js';
import type { TrackerKind } from './agents-api.js';
import type { WireError } from './api.js';

/**
 * The stream by which an agent sends a shadow copy, or an administrator one of images that he has: frames (frames.ts) both ways on
 * one connection. Whoever sends begins or resumes, sends the regions of each volume in order, and ends; the server says what it
 * wants, what is settled, and what came of it.
 */

/** How many regions may be under way: sent in whole or in part, and not settled. */
export const INGEST_WINDOW = 8;

/** At least so often an agent sends something; a server takes one that is silent for longer than the limit to be gone. */
export const ALIVE_MS = 5_000;
export const SILENCE_LIMIT_MS = 60_000;

/** What the regions of a volume are that are not sent: as in the shadow copy that the upload is based on, or holes. */
export type Rest = 'base' | 'holes';

export interface IngestVolume {
  readonly name: string;
  readonly path: string;
  readonly format: ImageFormat;
  readonly sizeBytes: number;
  readonly rest: Rest;
  /**
   * Names the content of the image that the volume is. With it, `rest: base` is only granted if the base was made of an image
   * of this path, size and name: then nothing has changed.
   */
  readonly fingerprint?: string;
}

export interface BeginFrame {
  readonly t: 'begin';
  readonly machine: string;
  /** The tracker's name for this checkpoint. */
  readonly checkpoint: string;
  /** The shadow copy that volumes with `rest: base` build on. */
  readonly base?: string;
  readonly volumes: readonly IngestVolume[];
}

/** Go on with an upload whose connection was lost. */
export interface ResumeFrame {
  readonly t: 'resume';
  readonly upload: string;
}

/** Instead of going on with an upload: it is not wanted any more. The answer is the error CANCELLED. */
export interface GiveUpFrame {
  readonly t: 'giveUp';
  readonly upload: string;
}

/** Which region a frame is about: index of the volume, number of the region. */
export interface RegionPlace {
  readonly volume: number;
  readonly region: number;
}

/**
 * Blocks of a region, over what it is in the base (or over a hole). The body has the data, whole blocks, one range behind the
 * other; ranges are pairs of first block and number of blocks, in order.
 */
export interface BlocksFrame extends RegionPlace {
  readonly t: 'blocks';
  readonly data: readonly number[];
  readonly zeros: readonly number[];
}

/** A whole region by its chunks: the body is its leaf. The server asks for those that it does not know of this host. */
export interface LeafFrame extends RegionPlace {
  readonly t: 'leaf';
}

/** The chunks that were asked for, one behind the other, in whole blocks. */
export interface ChunksFrame extends RegionPlace {
  readonly t: 'chunks';
}

/** Nothing to send just now, and how far reading is. */
export interface AliveFrame {
  readonly t: 'alive';
  readonly volume: number;
  readonly position: number;
}

/** All regions were sent; the body has the configuration files, one behind the other. */
export interface EndFrame {
  readonly t: 'end';
  /** How long ago the checkpoint was made; the server's clock says when that was. */
  readonly ageMs: number;
  readonly consistency: Consistency;
  readonly tracker: TrackerKind;
  readonly pauseMs: number;
  readonly notes: readonly string[];
  readonly config: readonly { readonly name: string; readonly bytes: number }[];
}

export type AgentFrame =
  | BeginFrame
  | ResumeFrame
  | GiveUpFrame
  | BlocksFrame
  | LeafFrame
  | ChunksFrame
  | AliveFrame
  | EndFrame;

/** The first answer. */
export interface BegunFrame {
  readonly t: 'begun';
  /** Names the upload, to resume it. */
  readonly upload: string;
  /** For each volume what it may be: a base that is gone, damaged or larger can't be built on. */
  readonly rest: readonly Rest[];
  /**
   * For each volume the regions that are damaged in the base, in order: they are sent as they are now, though nothing has changed in
   * them; absent if there are none.
   */
  readonly reread?: readonly (readonly number[])[];
  /** How to cut regions into chunks; `seed` is 16 hex digits. */
  readonly cutting: {
    readonly seed: string;
    readonly zeroBits: number;
    readonly window: number;
    readonly maxBlocks: number;
  };
  /** The last region that is settled; what is behind it is to be sent. */
  readonly settled?: RegionPlace;
  /** The upload is complete already: its answer was lost. */
  readonly done?: DoneFrame;
}

/** The shadow copy is listed and durable. */
export interface DoneFrame {
  readonly t: 'done';
  readonly shadowCopy: string;
  /** The root digest of each volume's tree, in hex. */
  readonly roots: readonly string[];
  /** What was new to the store; an agent is not told. */
  readonly volumes?: readonly BackupVolumeResult[];
}

export type ServerFrame =
  | BegunFrame
  | ({ readonly t: 'want'; readonly chunks: readonly number[] } & RegionPlace)
  | ({ readonly t: 'settled' } & RegionPlace)
  | DoneFrame
  | { readonly t: 'error'; readonly error: WireError };

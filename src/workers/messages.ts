import type { CompressionSettings } from '../codec/compression.js';
import type { CuttingSettings } from '../codec/cutting.js';
import type { FrameKeys } from '../codec/frame-seal.js';

/** What every worker is started with. */
export interface WorkerSettings {
  readonly cutting: CuttingSettings;
  /** Without it they only cut, name, and decode: an agent's host may lack the library. */
  readonly compression?: CompressionSettings;
  /** What frames are sealed with, in an encrypted store. */
  readonly keys?: FrameKeys | undefined;
}

/** What a thread is started with. */
export interface WorkerStart {
  readonly settings: WorkerSettings;
  /** One number, shared: not zero when it shall perform no more requests and end. Any message wakes it to see that. */
  readonly ending: Int32Array;
}

/** Fill a region, if it has to be read, cut it and name its chunks. */
export interface CutRequest {
  readonly op: 'cut';
  readonly region: SharedArrayBuffer;
  /** Valid bytes of the region. */
  readonly length: number;
  /** Where to read it; undefined when it is filled. */
  readonly from: ReadFrom | undefined;
  /** Cut only these parts: pairs of first block and block behind the last. The leaf describes only them then. */
  readonly spans?: readonly number[];
}

/** Where a region's bytes are. */
export interface ReadFrom {
  /** File to `pread` from, open in this process. */
  readonly fd: number;
  /** Where the region begins in the file, bytes. */
  readonly offset: number;
  /** Data extents: pairs of offset in the region and length. */
  readonly extents: readonly number[];
}

export interface CutReply {
  /** The leaf that describes the region, as {@link encodeLeaf} makes it. */
  readonly leaf: Uint8Array;
  readonly leafDigest: Uint8Array;
  /** Blocks that are not holes. */
  readonly dataBlocks: number;
}

/** Make frames of some of the chunks of a region. */
export interface PackRequest {
  readonly op: 'pack';
  readonly region: SharedArrayBuffer;
  /** Takes the frames, one behind the other. */
  readonly frames: SharedArrayBuffer;
  /** Pairs of first block and number of blocks. */
  readonly chunks: readonly number[];
  /** Digests of these chunks, 32 bytes each. */
  readonly digests: Uint8Array;
}

export interface PackReply {
  /** Length of each frame in bytes. */
  readonly lengths: readonly number[];
}

/** Frames of chunks, with what they should be. */
export interface FrameBatch {
  readonly frames: readonly Uint8Array[];
  /** 32 bytes each. */
  readonly digests: Uint8Array;
}

/** Say the digests of chunks of a region. */
export interface NameRequest {
  readonly op: 'name';
  readonly region: SharedArrayBuffer;
  /** Pairs of first block and number of blocks. */
  readonly chunks: readonly number[];
}

export interface NameReply {
  /** 32 bytes each. */
  readonly digests: Uint8Array;
}

/** Decode the chunks of a region into place; what no chunk covers becomes zeros. */
export interface UnpackRequest extends FrameBatch {
  readonly op: 'unpack';
  readonly region: SharedArrayBuffer;
  /** Only these parts are wanted, the rest may hold anything: pairs of first block and block behind the last. */
  readonly spans?: readonly number[] | undefined;
  /** Pairs of first block and number of blocks, for each frame. */
  readonly blocks: readonly number[];
}

/** Decode chunks and look only whether they are right. */
export interface CheckRequest extends FrameBatch {
  readonly op: 'check';
}

export interface FaultsReply {
  readonly faults: readonly Fault[];
}

export interface Fault {
  /** Index in the batch. */
  readonly index: number;
  readonly reason: string;
}

/** Decode the chunks of a region and write them to a file. */
export interface WriteRequest extends FrameBatch {
  readonly op: 'write';
  /** Open for writing in this process, and for reading when `compare`. */
  readonly fd: number;
  /** Where the region begins in the file, bytes. */
  readonly offset: number;
  /** Bytes of the region that exist; nothing is written behind them. */
  readonly length: number;
  /** Pairs of first block and number of blocks, for each frame. */
  readonly blocks: readonly number[];
  /** Read what is there, and write only blocks that differ; holes become zeros. */
  readonly compare: boolean;
  /** With `compare`: make holes of blocks that must be zeros and are not, where the file system can. */
  readonly punch: boolean;
}

export interface WriteReply extends FaultsReply {
  readonly writtenBytes: number;
  readonly writtenBlocks: number;
  readonly comparedBytes: number;
}

export type WorkerRequest = CutRequest | NameRequest | PackRequest | UnpackRequest | CheckRequest | WriteRequest;

/** Replies by operation. */
export interface WorkerReplies {
  readonly cut: CutReply;
  readonly name: NameReply;
  readonly pack: PackReply;
  readonly unpack: FaultsReply;
  readonly check: FaultsReply;
  readonly write: WriteReply;
}

/** How an error crosses the thread boundary. */
export interface WorkerFault {
  readonly kind: 'short-read' | 'system' | 'defect';
  readonly message: string;
  readonly systemCode?: string;
}

export type WorkerAnswer =
  | { readonly id: number; readonly reply: WorkerReplies[keyof WorkerReplies] }
  | { readonly id: number; readonly fault: WorkerFault };

/**
 * The shapes that cross the server's socket and that `--json` prints, of shadow copies and the store. Numbers of bytes are plain
 * numbers, times are milliseconds since 1970 (`timeMs`) and ISO 8601 strings (`time`).
 */

import type { SuddenChangeInfo } from './changes-api.js';
import type { SpaceInfo } from './space-api.js';
import type { ScrubResult } from './upkeep-api.js';

/** What a checkpoint guarantees, from best to least. */
export type Consistency = 'offline' | 'application' | 'filesystem' | 'crash' | 'none';

export interface VolumeInfo {
  readonly name: string;
  readonly sizeBytes: number;
  /** The volume tree's root digest, in hex; 64 zeros for an empty volume. */
  readonly root: string;
}

export interface ShadowCopyInfo {
  readonly machine: string;
  readonly shadowCopy: string;
  readonly time: string;
  readonly consistency: Consistency;
  /** How it was known what had changed: {@link TrackerKind} of agents-api.ts. */
  readonly tracker: string;
  /** How long the machine stood still for it. */
  readonly pauseMs: number;
  /** Whose agent made it; absent for one that the server made of images itself. */
  readonly host?: string;
  readonly volumes: readonly VolumeInfo[];
  /** Too much of the machine's data had changed. */
  readonly sudden?: SuddenChangeInfo;
  /** It is not deleted, since too much changed with it or a later one, and nobody has acknowledged that. */
  readonly isHeld?: boolean;
}

export type ImageFormat = 'raw' | 'qcow2' | 'vhdx' | 'vmdk' | 'vdi' | 'vpc';

export interface BackupRequest {
  readonly machine: string;
  /** Absolute paths. A volume without a name gets `vda`, `vdb`, … in order. */
  readonly images: readonly { readonly path: string; readonly name?: string; readonly format?: ImageFormat }[];
  /** Absolute paths of configuration files, kept with the shadow copy under their base names. */
  readonly configs: readonly string[];
  /** Read every image, also those whose size and times say that they did not change. */
  readonly reread: boolean;
}

export interface BackupVolumeResult {
  readonly name: string;
  readonly sizeBytes: number;
  /** Bytes not in holes. */
  readonly dataBytes: number;
  /** Bytes of blocks in chunks that the machine's previous shadow copy did not have in that region. */
  readonly changedBytes: number;
  readonly newChunks: number;
  /** Plain bytes of chunks that the store did not have. */
  readonly newBytes: number;
  /** What the new chunks take on disk. */
  readonly storedBytes: number;
}

export interface BackupResult {
  readonly machine: string;
  readonly shadowCopy: string;
  readonly volumes: readonly BackupVolumeResult[];
  readonly seconds: number;
}

export interface RestoreRequest {
  readonly machine: string;
  readonly version: string;
  /** One volume to `to` (a file or device); without it, everything into the directory `to`. */
  readonly volume?: string;
  /** Absolute. */
  readonly to: string;
  /** Of files that were stored as they lay, write the disks that they make up; `volume` is then a disk's name. */
  readonly merge?: boolean;
}

export interface RestoreVolumeResult {
  readonly name: string;
  readonly to: string;
  readonly sizeBytes: number;
  /** True if `to` was there before and only what differed was written. */
  readonly differential: boolean;
  /** Bytes of blocks compared with an existing target. */
  readonly comparedBytes: number;
  /** Bytes of blocks that were written, zeros that were punched or written over data among them. */
  readonly writtenBytes: number;
  /** Blocks of 4 KiB that were written. */
  readonly writtenBlocks: number;
  /** Bytes behind the volume's end that a longer target file had and lost; absent when there were none. */
  readonly cutOffBytes?: number;
}

export interface RestoreResult {
  readonly machine: string;
  readonly shadowCopy: string;
  readonly volumes: readonly RestoreVolumeResult[];
  /** Paths of the configuration files that were written. */
  readonly config: readonly string[];
  readonly seconds: number;
}

export interface ExportRequest {
  readonly machine: string;
  readonly version: string;
  readonly volume: string;
  /** Absolute; must not exist. */
  readonly to: string;
}

export interface ExportResult {
  readonly machine: string;
  readonly shadowCopy: string;
  readonly volume: string;
  readonly to: string;
  readonly sizeBytes: number;
  readonly fileBytes: number;
  readonly seconds: number;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface DiffRequest {
  readonly machine: string;
  readonly from: string;
  /** The other side may be another machine. */
  readonly toMachine: string;
  readonly to: string;
  /** Read the changed chunks and narrow the ranges to blocks. */
  readonly exact: boolean;
}

export interface DiffVolume {
  readonly name: string;
  readonly change: 'same' | 'changed' | 'added' | 'removed';
  /** Undefined where the volume is not there. */
  readonly fromBytes?: number;
  readonly toBytes?: number;
  readonly changedBytes: number;
  readonly ranges: readonly ByteRange[];
}

export interface DiffResult {
  readonly from: string;
  readonly to: string;
  readonly exact: boolean;
  readonly volumes: readonly DiffVolume[];
}

export interface ForgetRequest {
  /** Each `version` is a name, `latest` or `replica`. */
  readonly shadowCopies: readonly { readonly machine: string; readonly version: string }[];
  readonly dryRun: boolean;
  readonly force: boolean;
}

export interface ForgetResult {
  readonly dryRun: boolean;
  readonly forgotten: readonly { readonly machine: string; readonly shadowCopy: string }[];
}

export interface KeepReplicaRequest {
  readonly machine: string;
}

/** The newest shadow copy of a machine, now that its replica is one. */
export interface KeepReplicaResult {
  readonly shadowCopy: ShadowCopyInfo;
  /** False if it was there: the machine had no replica that was newer. */
  readonly isNew: boolean;
}

export interface GcResult {
  readonly objects: number;
  readonly deletedObjects: number;
  /** Bytes of the deleted objects. */
  readonly deletedBytes: number;
  /** How much smaller the store is on disk. */
  readonly freedBytes: number;
  readonly seconds: number;
}

/** A part of a volume that can't be read. */
export interface DamagedRange {
  readonly machine: string;
  readonly shadowCopy: string;
  readonly volume: string;
  readonly offset: number;
  readonly length: number;
  /** Hex digest of the damaged object. */
  readonly object: string;
  readonly kind: 'chunk' | 'node';
}

export interface VerifyRequest {
  /** Everything in the store without it. */
  readonly machine?: string;
  /** Only with `machine`; all of its shadow copies without it. */
  readonly version?: string;
}

export interface VerifyResult {
  readonly checkedObjects: number;
  readonly checkedBytes: number;
  readonly damagedObjects: readonly { readonly object: string; readonly kind: string; readonly reason: string }[];
  readonly damaged: readonly DamagedRange[];
  /** What to do about the damage, in words; absent when there is none. */
  readonly advice?: string;
  readonly seconds: number;
}

export interface RebuildResult {
  readonly objects: number;
  readonly damagedObjects: number;
  /** Blocks of the store's tables that could not be read, with all objects in them. */
  readonly lostBlocks: number;
  readonly shadowCopies: number;
  /** Shadow copies whose deletion is on record and which therefore stay deleted. */
  readonly stayedDeleted: number;
  readonly seconds: number;
}

export interface StatsResult {
  readonly store: string;
  /** The version of its format. */
  readonly format: number;
  readonly machines: number;
  readonly shadowCopies: number;
  /** Those that are newer than the shadow copies of their machines. */
  readonly replicas: number;
  /** The sizes of their volumes, without holes; most of it they share with shadow copies. */
  readonly replicaBytes: number;
  readonly volumes: number;
  /** Sum of the sizes of all volumes of all shadow copies. */
  readonly logicalBytes: number;
  /** The same, without holes. */
  readonly dataBytes: number;
  /** Plain bytes of the distinct chunks in the store. */
  readonly uniqueBytes: number;
  /** Bytes of all objects as they are stored. */
  readonly storedBytes: number;
  /** Bytes of the store's files. */
  readonly diskBytes: number;
  readonly chunks: number;
  readonly nodes: number;
  readonly damagedObjects: number;
  /** Bytes this server wrote to disk for each byte of objects stored; null before anything was written. */
  readonly writeAmplification: number | null;
  /** The room on its disk. */
  readonly space: SpaceInfo;
  /** How far the server is that reads everything again by itself; absent from one that does not, and while it is not known. */
  readonly scrub?: ScrubResult;
}

/** How far a long job is. */
export interface Progress {
  /** What is being done, a few words: `reading vda`. */
  readonly what: string;
  readonly doneBytes: number;
  /** Undefined when it is not known. */
  readonly totalBytes?: number;
}

/** An error as it crosses the socket. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

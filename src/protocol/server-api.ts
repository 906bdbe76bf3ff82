import type { WireError } from './api.js';
import type { AlertsSummary } from './alerts-api.js';
import type { HeldMachine } from './changes-api.js';
import type { SpaceInfo } from './space-api.js';
import type { JobState } from './jobs-api.js';
import type { ScrubResult } from './upkeep-api.js';

/** What crosses the server's wire, and what `--json` prints, about the server itself and its mounts. */

export interface MountRequest {
  /** Absolute. */
  readonly mountPoint: string;
  readonly machine?: string;
  /** Only with `machine`. */
  readonly version?: string;
  readonly allowOther: boolean;
  /** Unmount when the request's connection closes (a foreground mount). */
  readonly leased: boolean;
}

export interface MountInfo {
  readonly mountPoint: string;
  readonly machine?: string;
  readonly version?: string;
}

/** How a protected machine is. Times are ISO 8601, in UTC. */
export interface MachineStatus {
  readonly machine: string;
  readonly host: string;
  /** `late`: the newest of it, a replica or a shadow copy, has more than three quarters of the age that its policy accepts; `breach`: it is older than that. */
  readonly state: 'ok' | 'late' | 'breach';
  /**
   * Of the newest of it, its replica or its newest shadow copy; of a machine without, since it is planned for. Absent if it has none and
   * nothing is planned to make one.
   */
  readonly ageSeconds?: number;
  /** What its policy accepts. */
  readonly acceptableSeconds: number;
  /** The newest that there is of it: a shadow copy is a replica, too, if there is no newer one. */
  readonly replica?: { readonly time: string; readonly ageSeconds: number };
  /** The newest. */
  readonly shadowCopy?: string;
  /** The moment that it shows. */
  readonly time?: string;
  readonly shadowCopyAgeSeconds?: number;
  readonly plannedSince?: string;
  /** When the next one is due, or the next replication; absent if never. */
  readonly nextAt?: string;
  /** Whether the agent of its host is connected. */
  readonly isConnected: boolean;
  /** What there is to say why there is no newer one: the job that has not ended, or the last one that made none. */
  readonly job?: { readonly id: number; readonly state: JobState; readonly error?: WireError };
}

/** The protected machines, the worst first. */
export interface FleetStatus {
  /** When this was so, by the clock of the server. */
  readonly asOf: string;
  readonly machines: readonly MachineStatus[];
  /** False if this server makes no shadow copies by itself. */
  readonly isScheduling: boolean;
}

export interface StatusResult {
  readonly pid: number;
  readonly version: string;
  readonly store: string;
  readonly startedAt: string;
  /** True if a command started it: it makes room for "umbra serve" while it does nothing. */
  readonly background: boolean;
  /** The address and port where it answers over HTTPS, and how others reach it there. */
  readonly listening?: string;
  readonly urls?: readonly string[];
  readonly mounts: readonly MountInfo[];
  readonly jobs: readonly {
    readonly id: number;
    readonly kind: string;
    readonly what: string;
    readonly startedAt: string;
  }[];
  /** Absent while it is not known: the store is opened, or rebuilt. */
  readonly fleet?: FleetStatus;
  /** Absent while it is not known, as well. */
  readonly alerts?: AlertsSummary;
  /** Machines of which nothing is deleted, since too much of their data has changed; absent as `fleet` is. */
  readonly held?: readonly HeldMachine[];
  /** The room on the disk of the store. */
  readonly space?: SpaceInfo;
  /** How far the server is that reads everything again by itself; absent from one that does not, and while it is not known. */
  readonly scrub?: ScrubResult;
}

export interface UnmountRequest {
  /** Absolute. */
  readonly mountPoint: string;
  /** Also while files in it are open. */
  readonly force: boolean;
}

export interface StopRequest {
  /** Only a server in the background that does nothing: else STORE_IN_USE. */
  readonly whenIdle?: boolean;
}

export interface StopResult {
  readonly pid: number;
  /** How many operations were cancelled. */
  readonly cancelledJobs: number;
  readonly unmounted: readonly MountInfo[];
  /** What could not be unmounted, and answers nobody any more. */
  readonly left: readonly MountInfo[];
}

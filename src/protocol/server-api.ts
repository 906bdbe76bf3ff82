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

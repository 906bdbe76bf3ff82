import type { Clock } from '../common/clock.js';
import type { Log } from '../common/log.js';
import type { HostLimits, Policy } from '../policies/policy.js';
import type { Consistency, Progress } from '../protocol/api.js';
import type { JobKind } from '../protocol/jobs-api.js';
import type { JobStore } from './job-store.js';

/** A machine that something is done for. */
export interface PlannedMachine {
  readonly name: string;
  readonly host: string;
}

/** The newest shadow copy of a machine, or its replica. */
export interface Newest {
  readonly name: string;
  /** The moment that it shows, by the wall clock of then. */
  readonly timeMs: number;
  /** How much time has certainly passed since it was stored; absent where nobody knows. */
  readonly leastAgeMs?: number;
  /** It is a replica, and no shadow copy. */
  readonly isReplica?: boolean;
}

/** What an attempt has made. */
export interface Made {
  /** The name of the shadow copy, or of the replica. */
  readonly shadowCopy: string;
  readonly consistency: Consistency;
  readonly notes: readonly string[];
}

/** An attempt under way. */
export interface Attempt {
  /** The job's number. */
  readonly id: number;
  readonly kind: JobKind;
  /** Aborted with CANCELLED by whoever cancels it, and with SERVER_STOPPING when the server ends; anybody may. */
  readonly controller: AbortController;
  readonly progress: (progress: Progress) => void;
}

/** What the scheduler works with. */
export interface SchedulerParts {
  /** The machines that there are. @throws {UmbraError} STORE_IN_USE while the store is rebuilt */
  readonly machines: () => readonly PlannedMachine[];
  readonly policyOf: (machine: string) => Policy;
  /**
   * When the newest of what is damaged in the machine's newest shadow copy was found, if anything is and its agent is there: a backup that
   * begins later reads that again.
   */
  readonly damagedSince?: (machine: string) => number | undefined;
  /** What it is called and why it is the machine's, for people. */
  readonly policyNameOf: (machine: string) => string;
  /** Whether the agent of a host has been there since the server started. */
  readonly wasThere: (host: string) => boolean;
  readonly limitsOf: (host: string) => HostLimits;
  /** The newest shadow copy of a machine, whoever made it. */
  readonly latest: (machine: string) => Newest | undefined;
  /** The newest that there is of a machine: its replica, or its newest shadow copy. */
  readonly upToDate: (machine: string) => Newest | undefined;
  /** Make a shadow copy of a machine, or bring its replica up to date. Settles soon after the attempt was aborted. @throws {UmbraError} why there is none */
  readonly backUp: (machine: string, attempt: Attempt) => Promise<Made>;
  readonly jobs: JobStore;
  /** Told when jobs have ended, or machines are not planned for any more. */
  readonly settled?: () => void;
  /** For tests. */
  readonly mostEnded?: number;
  /** A number that no job has, above `least`. */
  readonly newId: (least: number) => number;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

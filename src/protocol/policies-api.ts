/** What crosses the server's wire, and what `--json` prints, about policies and what they keep. */

export type RhythmInfo =
  | { readonly kind: 'interval'; readonly everyMs: number }
  | { readonly kind: 'calendar'; readonly cron: readonly string[] };

export interface KeepInfo {
  readonly counting: 'proxmox' | 'restic';
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
  readonly days?: number;
}

/** A time of the week, in minutes since the midnight of each of its days; 0 is Sunday. */
export interface QuietInfo {
  readonly days: readonly number[];
  readonly from: number;
  readonly to: number;
}

export interface PolicyInfo {
  readonly name: string;
  readonly shadowCopies: RhythmInfo;
  /** Absent: the replica is brought up to date by shadow copies alone. */
  readonly replicate?: RhythmInfo;
  readonly timeZone: string;
  /** Absent: all are kept. */
  readonly keep?: KeepInfo;
  readonly dataLossMs: number;
  readonly quiet: readonly QuietInfo[];
  readonly consistency: 'filesystem' | 'crash';
  readonly otherwise: 'accept' | 'fail';
  readonly minimumAgeMs: number;
  readonly suddenChange: 'off' | 'low' | 'normal' | 'high';
}

/** Which policy is a machine's, and why. */
export interface MachinePolicy {
  readonly machine: string;
  /** That runs it, if that is known. */
  readonly host?: string;
  /** The policy's name. */
  readonly policy: string;
  readonly source: 'machine' | 'group' | 'host' | 'default';
  /** The group's or host's name. */
  readonly sourceName?: string;
}

/** What a document says, and of which machines. */
export interface PoliciesMeaning {
  readonly default: string;
  readonly policies: readonly PolicyInfo[];
  /** Those that are protected or have shadow copies, sorted. */
  readonly machines: readonly MachinePolicy[];
  /** What may not be as it was meant, for people. */
  readonly warnings: readonly string[];
}

export interface PoliciesResult extends PoliciesMeaning {
  /** YAML, as it was applied. */
  readonly text: string;
  /** Names the text: for `ifDigest`. */
  readonly digest: string;
  /** Nobody has applied any yet. */
  readonly builtIn: boolean;
}

export interface CheckPoliciesRequest {
  /** YAML. */
  readonly text: string;
  /** What to call it in messages. */
  readonly file?: string;
}

export interface ApplyPoliciesRequest extends CheckPoliciesRequest {
  /** Only if the text that holds is still this one. */
  readonly ifDigest?: string;
}

export interface PruneRequest {
  /** All without it. */
  readonly machines?: readonly string[];
  /** Delete nothing. */
  readonly dryRun: boolean;
}

/** What other policies than those that hold would keep and delete. */
export interface PreviewPoliciesRequest extends CheckPoliciesRequest {
  /** All without it. */
  readonly machines?: readonly string[];
}

/** What became, or would become, of a shadow copy. */
export interface PrunedShadowCopy {
  readonly machine: string;
  readonly shadowCopy: string;
  readonly time: string;
  /** The policy's name. */
  readonly policy: string;
  readonly fate: 'kept' | 'deleted' | 'skipped';
  /** The rules that keep it: `daily 3/7`. */
  readonly keptBy: readonly string[];
  /** Why it was not deleted although no rule keeps it, for people. */
  readonly reason?: string;
}

export interface PruneResult {
  readonly dryRun: boolean;
  readonly machines: number;
  readonly kept: number;
  readonly deleted: number;
  readonly skipped: number;
}

import type { Sensitivity } from './sudden-change.js';

/** What policies say, as it is checked and kept: durations in milliseconds, names resolved to nothing yet. */

/** When something is done again and again. */
export type Rhythm =
  /** So long after it was begun last; at once if it never was. */
  | { readonly kind: 'interval'; readonly everyMs: number }
  /** At the times of any of these cron expressions, in the policy's time zone. */
  | { readonly kind: 'calendar'; readonly cron: readonly string[] };

/** How the rules of {@link KeepRules} count: see there. */
export type KeepCounting = 'proxmox' | 'restic';

/**
 * Which shadow copies stay. Of each period of a rule the newest one counts; a period without any counts nothing. As `proxmox` counts,
 * the rules come one after the other, from `last` to `yearly`, and each counts only periods in which no earlier one keeps something; as
 * `restic` counts, each rule stands alone. What any rule keeps is kept.
 */
export interface KeepRules {
  readonly counting: KeepCounting;
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
  /** All that are not older than so many days before the newest one. */
  readonly days?: number;
}

/** A time of the week in which nothing is begun, in the policy's time zone. It may reach over midnight. */
export interface QuietWindow {
  /** 0 is Sunday. */
  readonly days: readonly number[];
  /** Minutes since midnight; the end is not in it, and is on the next day if it is not after the start. */
  readonly from: number;
  readonly to: number;
}

/** The consistency that a shadow copy is to have, the best first. */
export const WANTED_CONSISTENCIES = ['filesystem', 'crash'] as const;
export type WantedConsistency = (typeof WANTED_CONSISTENCIES)[number];

export interface Policy {
  readonly shadowCopies: Rhythm;
  /** How often the replica is brought up to date besides; absent: only shadow copies are made. */
  readonly replicate?: Rhythm;
  /** IANA's name: `Europe/Zurich`. */
  readonly timeZone: string;
  /** Absent: all are kept. */
  readonly keep?: KeepRules;
  /** How old the newest of a machine may become: its replica or its newest shadow copy. */
  readonly dataLossMs: number;
  readonly quiet: readonly QuietWindow[];
  readonly consistency: WantedConsistency;
  /** If it can't be had: the shadow copy stays, labelled as what it is; that is accepted, or its job fails. */
  readonly otherwise: 'accept' | 'fail';
  /** Younger ones are not deleted by anybody. */
  readonly minimumAgeMs: number;
  /** How much more than usual must change before nothing older is deleted until somebody has looked. */
  readonly suddenChange: Sensitivity;
}

/** What one host is asked to bear. */
export interface HostLimits {
  /** Backups at a time. */
  readonly concurrent?: number;
  /** Of all its backups together. */
  readonly bytesPerSecond?: number;
}

export interface ProtectionGroup {
  readonly machines: readonly string[];
  /** The name of its policy. */
  readonly policy: string;
}

export interface HostRules extends HostLimits {
  /** Of the group that the machines of this host form by themselves. */
  readonly policy?: string;
}

/** All policies of a store. The policy of a machine is its own, else its group's, else its host's, else the default. */
export interface Policies {
  readonly policies: Readonly<Record<string, Policy>>;
  /** The name of the policy of machines that nothing else says one for. */
  readonly default: string;
  readonly groups: Readonly<Record<string, ProtectionGroup>>;
  readonly hosts: Readonly<Record<string, HostRules>>;
  /** Machines with a policy of their own. */
  readonly machines: Readonly<Record<string, { readonly policy: string }>>;
}

import type { Policies, Policy } from './policy.js';

const HOUR_MS = 60 * 60 * 1000;

/**
 * What holds for machines that nobody said anything about. Proxmox VE and Veeam propose a backup a night, since theirs read or boot
 * much; here one that changed little takes seconds, so a day's work is at risk for four hours and not for a day, as with the shadow copies of
 * Windows (twice a day) and of storage systems (hourly to every few hours). What stays of them is what Proxmox Backup Server's examples keep,
 * with a year of months.
 */
export const DEFAULT_POLICY: Policy = {
  shadowCopies: { kind: 'interval', everyMs: 4 * HOUR_MS },
  timeZone: 'UTC',
  keep: { counting: 'proxmox', last: 3, daily: 7, weekly: 4, monthly: 12 },
  dataLossMs: 24 * HOUR_MS,
  quiet: [],
  consistency: 'crash',
  otherwise: 'accept',
  minimumAgeMs: 0,
  suddenChange: 'normal',
};

/** What holds as long as nobody applied anything. */
export const BUILT_IN_POLICIES: Policies = {
  policies: { standard: DEFAULT_POLICY },
  default: 'standard',
  groups: {},
  hosts: {},
  machines: {},
};

import { daysBefore, isoWeek, localTime, type LocalTime } from './local-time.js';
import type { KeepRules } from './policy.js';

/** What rules look at of a shadow copy. */
export interface Keepable {
  readonly name: string;
  readonly timeMs: number;
}

/** What rules say of a shadow copy. */
export interface KeepVerdict<T extends Keepable> {
  readonly shadowCopy: T;
  /** The rules that keep it, for people: `daily 3/7`. None if nothing does. */
  readonly keptBy: readonly string[];
}

export interface KeepContext {
  /** IANA's name of the time zone in which days, weeks, months and years begin. */
  readonly timeZone: string;
  /** Wall-clock time. What is of later than this does not move the days that `days` counts. */
  readonly nowMs: number;
}

/** The rules that count periods, in the order in which Proxmox Backup Server goes through them. */
export const COUNTED_RULES = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type CountedRule = (typeof COUNTED_RULES)[number];

/**
 * Say of each shadow copy of one machine which rules keep it. The newest one is always kept.
 *
 * `proxmox` is what Proxmox Backup Server does: one rule after the other, each for periods in which none before it has kept
 * something. `restic` is what `restic forget` does: each rule for itself, a new period wherever the next older shadow copy is of
 * another one than that before it; and a rule that has not counted to its end keeps the oldest shadow copy too. `days` is restic's
 * `--keep-within`, with either counting: all that are of after the same time of the day, so many days before the newest one.
 *
 * @param rules undefined keeps all
 * @returns the newest first
 */
export function applyKeepRules<T extends Keepable>(
  shadowCopies: readonly T[],
  rules: KeepRules | undefined,
  context: KeepContext,
): KeepVerdict<T>[] {
  const newestFirst = shadowCopies.toSorted(compareNewestFirst);
  if (rules === undefined) return newestFirst.map((shadowCopy) => ({ shadowCopy, keptBy: ['no rule deletes'] }));
  const items = newestFirst.map((shadowCopy): Item => ({
    timeMs: shadowCopy.timeMs,
    local: localTime(shadowCopy.timeMs, context.timeZone),
    keptBy: [],
    passedOver: false,
  }));
  for (const rule of COUNTED_RULES) {
    const most = rules[rule] ?? 0;
    if (most > 0) (rules.counting === 'proxmox' ? countAsProxmox : countAsRestic)(items, rule, most);
  }
  keepDays(items, rules.days ?? 0, context);
  const [newest] = items;
  if (newest?.keptBy.length === 0) newest.keptBy.push('newest');
  return newestFirst.map((shadowCopy, index) => ({ shadowCopy, keptBy: items[index]?.keptBy ?? [] }));
}

interface Item {
  readonly timeMs: number;
  readonly local: LocalTime;
  readonly keptBy: string[];
  /** As Proxmox counts: a rule has kept a newer one of its period, so no later rule keeps it, although its period may be another. */
  passedOver: boolean;
}

/** Of one instant, the one that was made later has the higher number at the end of its name. */
function compareNewestFirst(a: Keepable, b: Keepable): number {
  if (a.timeMs !== b.timeMs) return b.timeMs - a.timeMs;
  if (a.name.length !== b.name.length) return b.name.length - a.name.length;
  return a.name < b.name ? 1 : -1;
}

function countAsProxmox(items: readonly Item[], rule: CountedRule, most: number): void {
  const periods = items.map(({ local }, index) => periodOf(local, rule, index));
  const covered = new Set(periods.filter((_, index) => items[index]?.keptBy.length !== 0));
  const counted = new Set<string>();
  for (const [index, item] of items.entries()) {
    const period = periods[index] ?? '';
    if (item.keptBy.length > 0 || item.passedOver || covered.has(period)) continue;
    if (counted.has(period)) {
      item.passedOver = true;
      continue;
    }
    if (counted.size === most) return;
    counted.add(period);
    item.keptBy.push(`${rule} ${counted.size}/${most}`);
  }
}

function countAsRestic(items: readonly Item[], rule: CountedRule, most: number): void {
  let before: string | undefined;
  let counted = 0;
  for (const [index, item] of items.entries()) {
    if (counted === most) return;
    const period = periodOf(item.local, rule, index);
    if (period === before && index < items.length - 1) continue;
    before = period;
    counted += 1;
    item.keptBy.push(`${rule} ${counted}/${most}`);
  }
}

function keepDays(items: readonly Item[], days: number, { timeZone, nowMs }: KeepContext): void {
  if (days === 0) return;
  const newest = items.find(({ timeMs }) => timeMs <= nowMs);
  const endMs = newest === undefined ? -Infinity : daysBefore(newest.timeMs, days, timeZone);
  for (const { timeMs, keptBy } of items) if (timeMs > endMs) keptBy.push(`days ${days}`);
}

/** Names the period of a rule that a moment is in. */
function periodOf(local: LocalTime, rule: CountedRule, index: number): string {
  const { year, month, day, hour } = local;
  switch (rule) {
    case 'last':
      return String(index);
    case 'hourly':
      return `${year}-${month}-${day} ${hour}`;
    case 'daily':
      return `${year}-${month}-${day}`;
    case 'weekly': {
      const week = isoWeek(local);
      return `${week.year}/${week.week}`;
    }
    case 'monthly':
      return `${year}-${month}`;
    case 'yearly':
      return String(year);
  }
}

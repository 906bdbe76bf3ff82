import { localAt } from './local-clock.js';

/**
 * Which points rules keep, told again from the sources of restic (`internal/restic/snapshot_policy.go`) and of Proxmox Backup Server
 * (`pbs-datastore/src/prune.rs`), as plainly as it goes and without a look at Umbra's own.
 */

const DAY_MS = 86_400_000;

export interface Rules {
  readonly counting: 'restic' | 'proxmox';
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
  readonly days?: number;
}

export interface Kept {
  readonly name: string;
  readonly timeMs: number;
}

type Bucket = (point: Kept, index: number) => string;

function buckets(timeZone: string): readonly (readonly [keyof Rules, Bucket])[] {
  const date = (point: Kept): string => localAt(timeZone, point.timeMs).date;
  const hour = (point: Kept): string => {
    const local = localAt(timeZone, point.timeMs);
    return `${local.date} ${Math.floor(local.minute / 60)}`;
  };
  return [
    ['last', (_, index) => String(index)],
    ['hourly', hour],
    ['daily', date],
    ['weekly', (point) => weekOf(date(point))],
    ['monthly', (point) => date(point).slice(0, 7)],
    ['yearly', (point) => date(point).slice(0, 4)],
  ];
}

/** The Monday that a day's week begins with names it. */
function weekOf(date: string): string {
  let dayMs = Date.parse(`${date}T00:00:00Z`);
  while (new Date(dayMs).getUTCDay() !== 1) dayMs -= DAY_MS;
  return new Date(dayMs).toISOString().slice(0, 10);
}

/** The names of those that rules keep. @param nowMs what the wall clock shows */
export function keptBy(
  points: readonly Kept[],
  rules: Rules | undefined,
  timeZone: string,
  nowMs: number,
): Set<string> {
  if (rules === undefined) return new Set(points.map(({ name }) => name));
  const newestFirst = [...points].sort((a, b) => b.timeMs - a.timeMs || suffixOf(b.name) - suffixOf(a.name));
  const kept =
    rules.counting === 'restic' ? asRestic(newestFirst, rules, timeZone) : asProxmox(newestFirst, rules, timeZone);
  const [newest] = newestFirst;
  const latest = newestFirst.find(({ timeMs }) => timeMs <= nowMs);
  if (rules.days !== undefined && rules.days > 0 && latest !== undefined) {
    const from = daysBefore(latest.timeMs, rules.days, timeZone);
    for (const { name, timeMs } of newestFirst) if (timeMs > from) kept.add(name);
  } else if (rules.days !== undefined && rules.days > 0) {
    for (const { name } of newestFirst) kept.add(name);
  }
  if (newest !== undefined) kept.add(newest.name);
  return kept;
}

/** Of one second the later one is `…Z-2`. */
function suffixOf(name: string): number {
  return Number(/Z-(\d+)$/.exec(name)?.[1] ?? '1');
}

function asRestic(points: readonly Kept[], rules: Rules, timeZone: string): Set<string> {
  const kept = new Set<string>();
  const counters = buckets(timeZone).map(([rule, of]) => ({ left: Number(rules[rule] ?? 0), of, last: '' }));
  for (const [index, point] of points.entries()) {
    for (const counter of counters) {
      if (counter.left === 0) continue;
      const value = counter.of(point, index);
      if (value === counter.last && index !== points.length - 1) continue;
      kept.add(point.name);
      counter.last = value;
      counter.left -= 1;
    }
  }
  return kept;
}

function asProxmox(points: readonly Kept[], rules: Rules, timeZone: string): Set<string> {
  const marks = new Map<string, 'keep' | 'remove'>();
  for (const [rule, of] of buckets(timeZone)) {
    const most = Number(rules[rule] ?? 0);
    if (most === 0) continue;
    const already = new Set<string>();
    for (const [index, point] of points.entries()) if (marks.get(point.name) === 'keep') already.add(of(point, index));
    const included = new Set<string>();
    for (const [index, point] of points.entries()) {
      if (marks.has(point.name)) continue;
      const value = of(point, index);
      if (already.has(value)) continue;
      if (included.has(value)) {
        marks.set(point.name, 'remove');
        continue;
      }
      if (included.size >= most) break;
      included.add(value);
      marks.set(point.name, 'keep');
    }
  }
  return new Set([...marks].filter(([, mark]) => mark === 'keep').map(([name]) => name));
}

/** The moment at which clocks show the same time, so many days before. */
function daysBefore(timeMs: number, days: number, timeZone: string): number {
  const shown = localAt(timeZone, timeMs);
  const wanted = Date.parse(`${shown.date}T00:00:00Z`) / 60_000 - days * 1440 + shown.minute;
  // Half an hour at a time: no clocks are set by less.
  for (let at = timeMs - days * DAY_MS - 3 * 3_600_000; ; at += 30 * 60_000) {
    const local = localAt(timeZone, at);
    const minute = Date.parse(`${local.date}T00:00:00Z`) / 60_000 + local.minute;
    if (minute >= wanted) return at;
  }
}

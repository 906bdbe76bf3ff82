import t from 'tap';
import { applyKeepRules, COUNTED_RULES, type CountedRule, type Keepable } from '../../../src/policies/keep.js';
import { isoWeek, localTime } from '../../../src/policies/local-time.js';
import type { KeepCounting, KeepRules } from '../../../src/policies/policy.js';
import { Random } from '../../kit/random.js';
import { firstSeed, repeats } from '../../kit/repeats.js';
import { ResticRepository } from '../../kit/restic-repository.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const NOW_MS = Date.parse('2026-11-29T08:00:00Z');
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Where clocks change at 2 and 3 o'clock, a minute after midnight, at midnight, by half an hour, never; where a day was left out. */
const ZONES = ['Europe/Zurich', 'America/St_Johns', 'America/Sao_Paulo', 'Australia/Lord_Howe', 'UTC', 'Pacific/Apia'];

/** Around changes of the clocks, leap days and ends of years in those zones. */
const EVENTFUL = [
  '2026-10-25T01:00:00Z',
  '2026-03-29T01:00:00Z',
  '2010-11-07T02:31:00Z',
  '2018-02-18T02:00:00Z',
  '2026-04-04T15:00:00Z',
  '2011-12-30T10:00:00Z',
  '2024-02-29T12:00:00Z',
  '2020-12-31T12:00:00Z',
  '2024-12-30T00:00:00Z',
].map((time) => Date.parse(time));

/** Times of shadow copies over years: by night and day, in clusters, and around what is eventful. In whole seconds, no two the same. */
function randomCopies(random: Random): Keepable[] {
  const times = new Set<number>();
  const most = random.between(1, 70);
  while (times.size < most) times.add(Math.floor(randomTime(random) / 1000) * 1000);
  return [...times].map((timeMs) => ({ name: new Date(timeMs).toISOString(), timeMs }));
}

function randomTime(random: Random): number {
  switch (random.below(4)) {
    case 0:
      return (EVENTFUL[random.below(EVENTFUL.length)] ?? 0) + random.between(-36, 36) * HOUR_MS * random.fraction();
    case 1:
      return NOW_MS - random.below(48) * HOUR_MS * random.fraction() - 1000;
    case 2:
      return NOW_MS - random.between(1, 60) * DAY_MS;
    default:
      return NOW_MS - random.between(1, 6000) * DAY_MS * random.fraction() - 1000;
  }
}

function randomRules(random: Random, counting: KeepCounting): KeepRules {
  const rules: Partial<Record<CountedRule | 'days', number>> = {};
  for (const rule of COUNTED_RULES) if (random.chance(0.45)) rules[rule] = random.between(1, 12);
  if (random.chance(0.3)) rules.days = random.between(1, 400);
  if (Object.keys(rules).length === 0) rules.daily = 3;
  return { counting, ...rules };
}

function keptTimes(shadowCopies: readonly Keepable[], rules: KeepRules, timeZone: string): number[] {
  return applyKeepRules(shadowCopies, rules, { timeZone, nowMs: NOW_MS })
    .filter(({ keptBy }) => keptBy.length > 0)
    .map(({ shadowCopy }) => shadowCopy.timeMs)
    .toSorted((left, right) => left - right);
}

/** RFC 3339 with the offset that restic writes. */
function withOffset(timeMs: number, timeZone: string): string {
  const { year, month, day, hour, minute, second } = localTime(timeMs, timeZone);
  const local = new Date(Date.UTC(year, month - 1, day, hour, minute, second)).toISOString().slice(0, 19);
  const minutes = (Date.parse(`${local}Z`) - timeMs) / 60_000;
  const two = (value: number): string => String(Math.trunc(Math.abs(value))).padStart(2, '0');
  return `${local}${minutes < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`;
}

t.test('what restic would keep', { timeout: 200_000 }, async (t) => {
  const repository = new ResticRepository(temporaryDirectory(t));
  const oldest = await keepsOldest(repository);
  for (let seed = firstSeed(t), end = seed + repeats(14); seed < end; seed += 1) {
    const random = new Random(seed);
    const timeZone = ZONES[seed % ZONES.length] ?? 'UTC';
    const shadowCopies = randomCopies(random);
    const rules = randomRules(random, 'restic');
    const host = `host${seed}`;
    for (const { timeMs } of shadowCopies) repository.addSnapshot(host, withOffset(timeMs, timeZone));
    const options = COUNTED_RULES.flatMap((rule) =>
      rules[rule] === undefined ? [] : [`--keep-${rule}`, `${rules[rule]}`],
    );
    if (rules.days !== undefined) options.push('--keep-within', `${rules.days}d`);
    const first = oldest ? -Infinity : Math.min(...shadowCopies.map(({ timeMs }) => timeMs));
    const expected = (await repository.kept(host, options, timeZone)).filter((timeMs) => timeMs !== first);
    const kept = keptTimes(shadowCopies, rules, timeZone).filter((timeMs) => timeMs !== first);
    t.same(kept, expected, `seed ${seed}, ${timeZone}: ${options.join(' ')}`);
  }
});

/** True if this restic keeps the oldest snapshot for rules that have not counted to their end: 0.14 does not, 0.16 does. */
async function keepsOldest(repository: ResticRepository): Promise<boolean> {
  for (const day of ['02', '03', '04']) repository.addSnapshot('probe', `2024-01-${day}T12:00:00Z`);
  return (await repository.kept('probe', ['--keep-monthly', '4'], 'UTC')).length === 2;
}

/**
 * What Proxmox Backup Server keeps, in the words of its manual and with no thought of speed: "The retention options are processed in
 * the order given. Each option only covers backups within its time period. The next option does not take care of already covered
 * backups. It will only consider older backups." A backup that an option decided upon is decided.
 */
function keptByProxmox(times: readonly number[], rules: KeepRules, timeZone: string): number[] {
  const decided = new Map<number, boolean>();
  const newestFirst = times.toSorted((left, right) => right - left);
  for (const rule of COUNTED_RULES) {
    const name = (timeMs: number): string => periodName(timeMs, rule, timeZone);
    const keptBefore = [...decided].filter(([, keep]) => keep).map(([timeMs]) => name(timeMs));
    const periods: string[] = [];
    for (const timeMs of newestFirst) {
      if (decided.has(timeMs) || keptBefore.includes(name(timeMs))) continue;
      const isNew = !periods.includes(name(timeMs));
      if (isNew && periods.length >= (rules[rule] ?? 0)) break;
      if (isNew) periods.push(name(timeMs));
      decided.set(timeMs, isNew);
    }
  }
  return newestFirst.filter((timeMs) => decided.get(timeMs) === true).toReversed();
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Writes "2026-11-29 08", of which days, months and years are the beginning. */
function swedish(timeZone: string): Intl.DateTimeFormat {
  const parts = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit' } as const;
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('sv-SE', { timeZone, ...parts });
  formats.set(timeZone, format);
  return format;
}

function periodName(timeMs: number, rule: CountedRule, timeZone: string): string {
  if (rule === 'last') return String(timeMs);
  const week = isoWeek(localTime(timeMs, timeZone));
  const text = swedish(timeZone).format(timeMs);
  return rule === 'weekly'
    ? `${week.year} ${week.week}`
    : text.slice(0, { hourly: undefined, daily: 10, monthly: 7, yearly: 4 }[rule]);
}

t.test('what Proxmox Backup Server would keep', (t) => {
  for (let seed = firstSeed(t), end = seed + repeats(60); seed < end; seed += 1) {
    const random = new Random(seed);
    const timeZone = ZONES[seed % ZONES.length] ?? 'UTC';
    const shadowCopies = randomCopies(random);
    const { days: _days, ...rules } = randomRules(random, 'proxmox');
    if (Object.keys(rules).length === 1) continue;
    const times = shadowCopies.map(({ timeMs }) => timeMs);
    const expected = keptByProxmox(times, rules, timeZone);
    t.same(keptTimes(shadowCopies, rules, timeZone), expected, `seed ${seed}, ${timeZone}: ${JSON.stringify(rules)}`);
  }
  t.end();
});

t.test('whatever the rules', (t) => {
  for (let seed = firstSeed(t), end = seed + repeats(60); seed < end; seed += 1) {
    const random = new Random(seed);
    const timeZone = ZONES[seed % ZONES.length] ?? 'UTC';
    const shadowCopies = randomCopies(random);
    const rules = randomRules(random, random.chance(0.5) ? 'proxmox' : 'restic');
    const kept = keptTimes(shadowCopies, rules, timeZone);
    const name = `seed ${seed}: ${JSON.stringify(rules)}`;
    t.ok(kept.includes(Math.max(...shadowCopies.map(({ timeMs }) => timeMs))), `the newest stays, ${name}`);
    const shuffled = shadowCopies.toSorted(() => random.fraction() - 0.5);
    t.same(keptTimes(shuffled, rules, timeZone), kept, `the order does not matter, ${name}`);
    t.same(keptTimes(atTimes(kept), rules, timeZone), kept, `what is kept is kept by the same rules again, ${name}`);
    const more = { ...rules, ...randomRules(random, rules.counting), ...rules };
    // A week that Proxmox counts decides on shadow copies of two months: the month before may lose what it had alone.
    if (more.counting === 'proxmox' && more.weekly !== undefined) continue;
    const keptByMore = new Set(keptTimes(shadowCopies, more, timeZone));
    t.same(
      kept.filter((timeMs) => !keptByMore.has(timeMs)),
      [],
      `more rules keep no less, ${name} ${JSON.stringify(more)}`,
    );
  }
  t.end();
});

function atTimes(times: readonly number[]): Keepable[] {
  return times.map((timeMs) => ({ name: new Date(timeMs).toISOString(), timeMs }));
}

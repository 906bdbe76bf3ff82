import { durationText } from '../common/durations.js';
import type { UmbraError } from '../common/errors.js';
import type { YamlPart } from '../system/yaml-tree.js';
import { checkCron, longestPause } from './check-cron.js';
import { DEFAULT_POLICY } from './default-policy.js';
import { COUNTED_RULES } from './keep.js';
import { WANTED_CONSISTENCIES, type KeepRules, type Policy, type QuietWindow, type Rhythm } from './policy.js';
import { SENSITIVITIES, type Sensitivity } from './sudden-change.js';
import * as values from './values.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const LONGEST_MS = 36_525 * DAY_MS;
const LEAST_INTERVAL_MS = 60_000;
/** More than anybody keeps. */
const MOST_KEPT = 100_000;
const MOST_CRON = 24;
const MOST_CRON_CHARACTERS = 100;
const MOST_WINDOWS = 100;
const WEEK_MINUTES = 7 * 24 * 60;

const FIELDS = [
  'shadowCopies',
  'replicate',
  'timeZone',
  'keep',
  'dataLoss',
  'quiet',
  'consistency',
  'otherwise',
  'minimumAge',
  'suddenChange',
] as const;

/** What is counted over a whole document. */
export interface Counts {
  /** Calendar expressions that it may still have: each costs some milliseconds. */
  calendars: number;
  readonly nowMs: number;
  /** It was checked when it was applied: what depends on `nowMs` is not judged again. */
  readonly isKept: boolean;
}

/** One policy; what it does not say is as in the built-in one. @throws {UmbraError} BAD_ARGUMENT with the line */
export function parsePolicy(part: YamlPart, counts: Counts): Policy {
  const fields = part.fields(FIELDS);
  const given = <T>(field: (typeof FIELDS)[number], parse: (part: YamlPart) => T, otherwise: T): T => {
    const found = fields.get(field);
    return found === undefined ? otherwise : parse(found);
  };
  const timeZone = given('timeZone', values.timeZone, DEFAULT_POLICY.timeZone);
  const rhythm = (field: YamlPart): Rhythm => parseRhythm(field, timeZone, counts);
  const shadowCopies = given('shadowCopies', rhythm, DEFAULT_POLICY.shadowCopies);
  const keep = given('keep', parseKeep, DEFAULT_POLICY.keep);
  const quiet = given('quiet', parseQuiet, DEFAULT_POLICY.quiet);
  const shadowCopyPauseMs = pauseOf(shadowCopies);
  const replicate = given<Replicate | undefined>('replicate', (field) => parseReplicate(field, rhythm), undefined);
  const pauseMs = replicate === undefined ? shadowCopyPauseMs : pauseOf(replicate.rhythm);
  if (replicate !== undefined && !counts.isKept && pauseMs > shadowCopyPauseMs)
    throw tooRare(replicate, pauseMs, shadowCopyPauseMs);
  const usualMs = replicate === undefined ? usualDataLoss(pauseMs) : usualOfReplicas(pauseMs, quiet);
  return {
    shadowCopies,
    ...(replicate === undefined ? {} : { replicate: replicate.rhythm }),
    timeZone,
    ...(keep === undefined ? {} : { keep }),
    dataLossMs: given('dataLoss', (field) => parseDataLoss(field, pauseMs, counts), usualMs),
    quiet,
    consistency: given('consistency', (field) => values.oneOf(field, WANTED_CONSISTENCIES), DEFAULT_POLICY.consistency),
    otherwise: given('otherwise', (field) => values.oneOf(field, ['accept', 'fail']), DEFAULT_POLICY.otherwise),
    minimumAgeMs: given('minimumAge', (field) => values.duration(field, 0, LONGEST_MS), DEFAULT_POLICY.minimumAgeMs),
    suddenChange: given('suddenChange', parseSensitivity, DEFAULT_POLICY.suddenChange),
  };
}

/** What was said of replications, and where. */
interface Replicate {
  readonly rhythm: Rhythm;
  readonly part: YamlPart;
}

function parseReplicate(part: YamlPart, rhythm: (part: YamlPart) => Rhythm): Replicate {
  return { rhythm: rhythm(part), part };
}

/** Each shadow copy is a replication, too: more seldom than them nothing would ever be replicated. */
function tooRare({ part }: Replicate, pauseMs: number, shadowCopyPauseMs: number): UmbraError {
  return part.wrong(
    `lets ${durationText(pauseMs)} pass, but shadow copies are made every ${durationText(shadowCopyPauseMs)}`,
    'Replicate more often than that ("replicate: { every: 15min }"), or leave it out: a shadow copy is up to date, too.',
  );
}

/** `{ every: 4h }`, `{ cron: '0 22 * * MON-FRI' }` or `{ daily: '22:00' }`; the last two also with lists. */
function parseRhythm(part: YamlPart, timeZone: string, counts: Counts): Rhythm {
  const hint = 'Write "every: 4h", "daily: 22:00" or "cron: 0 22 * * MON-FRI" below it.';
  if (!part.isMap()) throw part.wrong('must say when', hint);
  const fields = part.fields(['every', 'daily', 'cron']);
  const [only, ...others] = fields;
  if (only === undefined || others.length > 0) throw part.wrong('must have one of every, daily and cron', hint);
  const [kind, value] = only;
  if (kind === 'every') return { kind: 'interval', everyMs: values.duration(value, LEAST_INTERVAL_MS, LONGEST_MS) };
  const items = value.items();
  if (items.length === 0 || items.length > MOST_CRON) throw value.wrong(`must have one to ${MOST_CRON} times`);
  if (kind === 'cron') return { kind: 'calendar', cron: items.map((item) => parseCron(item, timeZone, counts)) };
  const minutes = items.map((item) => values.clock(item, values.text(item)));
  return { kind: 'calendar', cron: minutes.map((minute) => `${minute % 60} ${Math.floor(minute / 60)} * * *`) };
}

function parseCron(part: YamlPart, timeZone: string, counts: Counts): string {
  const text = values.text(part);
  if (text.length > MOST_CRON_CHARACTERS) throw part.wrong(`is longer than ${MOST_CRON_CHARACTERS} characters`);
  counts.calendars -= 1;
  if (counts.calendars < 0) throw part.wrong('is one calendar too many for a document');
  const problem = checkCron(text, timeZone, counts.nowMs);
  if (problem === undefined) return text;
  throw part.wrong(problem, 'It has minute, hour, day, month and day of the week: "0 22 * * MON-FRI".');
}

/** `all`, or rules of which at least one keeps something. */
function parseKeep(part: YamlPart): KeepRules | undefined {
  if (part.scalar() === 'all') return undefined;
  if (!part.isMap()) throw part.wrong('must have rules, or be all', 'Write "daily: 7" and the like below it.');
  const fields = part.fields(['counting', 'days', ...COUNTED_RULES]);
  const counting = fields.get('counting');
  const rules: Partial<Record<(typeof COUNTED_RULES)[number] | 'days', number>> = {};
  for (const rule of [...COUNTED_RULES, 'days'] as const) {
    const value = fields.get(rule);
    if (value !== undefined) rules[rule] = values.whole(value, 0, MOST_KEPT);
  }
  if (!Object.values(rules).some((most) => most > 0)) {
    throw part.wrong('keeps nothing', 'Say how many, as in "daily: 7"; "keep: all" keeps all.');
  }
  return { counting: counting === undefined ? 'proxmox' : values.oneOf(counting, ['proxmox', 'restic']), ...rules };
}

function parseSensitivity(part: YamlPart): Sensitivity {
  // YAML 1.1 has off as a boolean, and so may who writes it.
  return part.scalar() === false ? 'off' : values.oneOf(part, SENSITIVITIES);
}

function parseQuiet(part: YamlPart): readonly QuietWindow[] {
  const items = part.items();
  if (items.length > MOST_WINDOWS) throw part.wrong(`has more than ${MOST_WINDOWS} windows`);
  const windows = items.map(values.quietWindow);
  if (isWholeWeek(windows))
    throw part.wrong('leaves no time in which anything runs', 'Leave out a window, or make one shorter.');
  return windows;
}

function isWholeWeek(windows: readonly QuietWindow[]): boolean {
  return quietMinutes(windows).every((minute) => minute === 1);
}

/** The longest time of a week in which nothing is begun. */
function longestQuietMs(windows: readonly QuietWindow[]): number {
  const week = quietMinutes(windows);
  let longest = 0;
  let now = 0;
  // One that reaches over the end of the week is found in the second.
  for (let minute = 0; minute < 2 * WEEK_MINUTES; minute += 1) {
    now = week[minute % WEEK_MINUTES] === 1 ? now + 1 : 0;
    longest = Math.max(longest, now);
  }
  return longest * MINUTE_MS;
}

/** Each minute of a week: 1 if nothing is begun in it. */
function quietMinutes(windows: readonly QuietWindow[]): Uint8Array {
  const quiet = new Uint8Array(WEEK_MINUTES);
  for (const { days, from, to } of windows) {
    const minutes = to > from ? to - from : to + 24 * 60 - from;
    for (const day of days) {
      for (let minute = 0; minute < minutes; minute += 1) quiet[(day * 24 * 60 + from + minute) % WEEK_MINUTES] = 1;
    }
  }
  return quiet;
}

/** How long it is at most from one time to the next. */
function pauseOf(rhythm: Rhythm): number {
  return rhythm.kind === 'interval' ? rhythm.everyMs : (longestPause(rhythm.cron) ?? Infinity);
}

/** What is not wished otherwise: a day, or half as much again as the time that the policy lets pass. */
function usualDataLoss(pauseMs: number): number {
  return Math.max(DEFAULT_POLICY.dataLossMs, Math.ceil((pauseMs * 1.5) / LEAST_INTERVAL_MS) * LEAST_INTERVAL_MS);
}

/**
 * The same where replicas are made: three times what passes between two, so that two in a row may fail, and an hour at least; and what passes
 * while nothing is begun.
 */
function usualOfReplicas(pauseMs: number, quiet: readonly QuietWindow[]): number {
  return Math.max(60 * MINUTE_MS, 3 * Math.ceil(pauseMs / MINUTE_MS) * MINUTE_MS) + longestQuietMs(quiet);
}

function parseDataLoss(part: YamlPart, pauseMs: number, { isKept }: Counts): number {
  const ms = values.duration(part, LEAST_INTERVAL_MS, LONGEST_MS);
  if (isKept || ms >= pauseMs) return ms;
  throw part.wrong(
    `is ${durationText(ms)}, but ${durationText(pauseMs)} may pass between two times`,
    'Have shadow copies made more often ("shadowCopies: { every: 15min }"), or replicas between them ("replicate"), or allow more.',
  );
}

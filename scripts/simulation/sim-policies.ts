import type { Random } from '../../test/kit/random.js';
import type { Calendar, QuietTime } from './local-clock.js';
import type { Rules } from './retention.js';

/** What policies say, as an administrator thinks of it; written down for Umbra in {@link documentText}. */

const HOUR_MS = 3_600_000;
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];
/** A replication takes some 15 ms: from so many machines on there are fewer of them, or years would take hours. */
const LARGE_FLEET = 50;
const ZONES = ['Europe/Zurich', 'America/New_York', 'Australia/Lord_Howe', 'America/Havana', 'Asia/Kathmandu', 'UTC'];

/** Every so many hours, or at times of a calendar. */
export type SimRhythm = { readonly everyHours: number } | Calendar;

export interface SimPolicy {
  readonly rhythm: SimRhythm;
  /** Replications come between shadow copies. */
  readonly replicate?: SimRhythm;
  readonly timeZone: string;
  readonly keep: Rules | undefined;
  readonly dataLossHours: number;
  readonly quiet: readonly QuietTime[];
  readonly mustBeFilesystem: boolean;
  readonly minimumAgeHours: number;
}

export interface SimDocument {
  readonly standard: string;
  readonly policies: ReadonlyMap<string, SimPolicy>;
  /** Name of a group to its machines and their policy. */
  readonly groups: ReadonlyMap<string, { readonly machines: readonly string[]; readonly policy: string }>;
  readonly hosts: ReadonlyMap<string, { readonly policy?: string; readonly concurrent?: number }>;
  readonly machines: ReadonlyMap<string, string>;
}

/** What holds before anybody says anything. */
export const BUILT_IN: SimDocument = {
  standard: 'standard',
  policies: new Map([
    [
      'standard',
      {
        rhythm: { everyHours: 4 },
        timeZone: 'UTC',
        keep: { counting: 'proxmox', last: 3, daily: 7, weekly: 4, monthly: 12 },
        dataLossHours: 24,
        quiet: [],
        mustBeFilesystem: false,
        minimumAgeHours: 0,
      },
    ],
  ]),
  groups: new Map(),
  hosts: new Map(),
  machines: new Map(),
};

/** Whose policy is which: its own, its group's, its host's, the standard one. */
export function policyOf(document: SimDocument, machine: string, host: string | undefined): SimPolicy {
  const group = [...document.groups.values()].find(({ machines }) => machines.includes(machine));
  const ofHost = host === undefined ? undefined : document.hosts.get(host)?.policy;
  const name = document.machines.get(machine) ?? group?.policy ?? ofHost ?? document.standard;
  const policy = document.policies.get(name);
  if (policy === undefined) throw new RangeError(`no policy ${name}`);
  return policy;
}

export function minimumAgeMs({ minimumAgeHours }: SimPolicy): number {
  return minimumAgeHours * HOUR_MS;
}

/**
 * A document that an administrator may think of.
 * @param replicating draws what is replicated, and how often
 */
export function makeDocument(
  random: Random,
  replicating: Random,
  machines: readonly string[],
  hosts: readonly string[],
): SimDocument {
  const names = ['standard', 'nightly', 'weekly', 'often', 'quiet', 'offices', 'archive'];
  const isLarge = machines.length >= LARGE_FLEET;
  const policies = new Map(names.map((name) => [name, withReplicas(makePolicy(random, name), replicating, isLarge)]));
  const pick = (): string => names[random.below(names.length)] ?? 'standard';
  const shuffled = machines.filter(() => random.chance(0.3));
  const half = Math.ceil(shuffled.length / 2);
  return {
    standard: pick(),
    policies,
    groups: new Map([
      ['first', { machines: shuffled.slice(0, half), policy: pick() }],
      ['second', { machines: shuffled.slice(half), policy: pick() }],
    ]),
    hosts: new Map(
      hosts.map((host) => [
        host,
        {
          ...(random.chance(0.7) ? { policy: pick() } : {}),
          ...(random.chance(0.6) ? { concurrent: random.between(1, 4) } : {}),
        },
      ]),
    ),
    machines: new Map(machines.filter(() => random.chance(0.1)).map((machine) => [machine, pick()])),
  };
}

function makePolicy(random: Random, name: string): SimPolicy {
  const rhythm = makeRhythm(random, name);
  const pauseHours = 'everyHours' in rhythm ? rhythm.everyHours : rhythm.weekdays === undefined ? 26 : 24 * 8;
  return {
    rhythm,
    timeZone: ZONES[random.below(ZONES.length)] ?? 'UTC',
    keep: makeRules(random, name),
    dataLossHours: pauseHours + random.between(1, 30),
    quiet: name === 'quiet' || random.chance(0.15) ? makeQuiet(random) : [],
    mustBeFilesystem: random.chance(0.2),
    minimumAgeHours: random.chance(0.4) ? random.between(1, 20) * 12 : 0,
  };
}

/** Some replicate, fewer in a large fleet, and accept no more than what passes until the next time and a few hours. */
function withReplicas(policy: SimPolicy, random: Random, isLarge: boolean): SimPolicy {
  const isReplicated = random.chance(isLarge ? 0.12 : 0.35);
  const everyHours = random.between(3, 9);
  const first = random.below(24) * 15;
  const dataLossHours = 9 + random.below(10);
  if (!isReplicated) return policy;
  const isCalendar = random.chance(0.4);
  const replicate = isCalendar ? { minutes: [0, 1, 2, 3].map((quarter) => first + quarter * 360) } : { everyHours };
  return { ...policy, replicate, dataLossHours };
}

function makeRhythm(random: Random, name: string): SimRhythm {
  if (name === 'often') return { everyHours: random.between(10, 30) };
  // Among them hours that clocks skip and show twice.
  const minute = (random.chance(0.6) ? random.between(0, 3) : random.below(24)) * 60 + random.below(4) * 15;
  if (name === 'weekly') return { minutes: [minute], weekdays: [random.below(7), 0] };
  if (name === 'archive') return { minutes: [minute], weekdays: [0, 2, 4] };
  if (name === 'offices') return { everyHours: 24 };
  return { minutes: random.chance(0.2) ? [minute, (minute + 720) % 1440] : [minute] };
}

function makeRules(random: Random, name: string): Rules | undefined {
  const counting = random.chance(0.5) ? 'restic' : 'proxmox';
  switch (random.below(name === 'archive' ? 5 : 4)) {
    case 0:
      return { counting, last: random.between(1, 6) };
    case 1:
      return { counting, last: 2, daily: random.between(2, 5), weekly: 2, monthly: random.between(0, 2) };
    case 2:
      return { counting, hourly: 2, daily: 3, weekly: random.between(1, 3), monthly: 1, yearly: 1 };
    case 3:
      return { counting, days: random.between(2, 7), yearly: 2 };
    default:
      return { counting, last: 1, days: 10, monthly: 2 };
  }
}

function makeQuiet(random: Random): QuietTime[] {
  const day = { weekdays: random.chance(0.5) ? EVERY_DAY : [1, 2, 3, 4, 5], from: random.between(6, 9) * 60 };
  const night = { weekdays: [random.below(7), 6], from: 22 * 60 + 30, to: random.between(1, 4) * 60 };
  return random.chance(0.5) ? [{ ...day, to: day.from + random.between(1, 9) * 60 }] : [night];
}

/** A document as Umbra takes it. */
export function documentText(document: SimDocument): string {
  const policies = [...document.policies].flatMap(([name, policy]) => [`  ${name}:`, ...policyLines(policy)]);
  const groups = [...document.groups].flatMap(([name, { machines, policy }]) => [
    `  ${name}:`,
    `    policy: ${policy}`,
    `    machines: [${machines.join(', ')}]`,
  ]);
  const hosts = [...document.hosts].flatMap(([host, { policy, concurrent }]) => {
    const rules = [
      ...(policy === undefined ? [] : [`policy: ${policy}`]),
      ...(concurrent === undefined ? [] : [`concurrent: ${concurrent}`]),
    ];
    return rules.length === 0 ? [] : [`  ${host}: { ${rules.join(', ')} }`];
  });
  const machines = [...document.machines].map(([machine, policy]) => `  ${machine}: { policy: ${policy} }`);
  const part = (name: string, lines: readonly string[]): string[] => (lines.length === 0 ? [] : [`${name}:`, ...lines]);
  return [
    `default: ${document.standard}`,
    ...part('policies', policies),
    ...part('groups', groups),
    ...part('hosts', hosts),
    ...part('machines', machines),
    '',
  ].join('\n');
}

function policyLines(policy: SimPolicy): string[] {
  const { counting, ...rules } = policy.keep ?? { counting: 'proxmox' };
  const counts = Object.entries(rules).map(([rule, most]) => `${rule}: ${most}`);
  const keep = policy.keep === undefined ? 'all' : `{ ${[`counting: ${counting}`, ...counts].join(', ')} }`;
  const quiet = policy.quiet.map(
    ({ weekdays, from, to }) => `${[...new Set(weekdays)].map((day) => DAYS[day]).join(',')} ${time(from)}-${time(to)}`,
  );
  return [
    `    shadowCopies: ${rhythmText(policy.rhythm)}`,
    ...(policy.replicate === undefined ? [] : [`    replicate: ${rhythmText(policy.replicate)}`]),
    `    timeZone: ${policy.timeZone}`,
    `    keep: ${keep}`,
    `    dataLoss: ${policy.dataLossHours}h`,
    `    quiet: [${quiet.map((window) => `"${window}"`).join(', ')}]`,
    `    consistency: ${policy.mustBeFilesystem ? 'filesystem' : 'crash'}`,
    `    otherwise: ${policy.mustBeFilesystem ? 'fail' : 'accept'}`,
    `    minimumAge: ${policy.minimumAgeHours === 0 ? '0' : `${policy.minimumAgeHours}h`}`,
  ];
}

function rhythmText(rhythm: SimRhythm): string {
  if ('everyHours' in rhythm) return `{ every: ${rhythm.everyHours}h }`;
  const { minutes, weekdays } = rhythm;
  if (weekdays === undefined) return `{ daily: [${minutes.map((minute) => `"${time(minute)}"`).join(', ')}] }`;
  const days = [...new Set(weekdays)].map((day) => DAYS[day]?.toUpperCase()).join(',');
  return `{ cron: [${minutes.map((minute) => `"${minute % 60} ${Math.floor(minute / 60)} * * ${days}"`).join(', ')}] }`;
}

function time(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

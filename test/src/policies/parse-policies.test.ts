import { readFileSync } from 'node:fs';
import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { DEFAULT_DOCUMENT } from '../../../src/policies/default-document.js';
import { BUILT_IN_POLICIES, DEFAULT_POLICY } from '../../../src/policies/default-policy.js';
import { parseKeptPolicies, parsePolicies } from '../../../src/policies/parse-policies.js';
import type { Policies, Policy } from '../../../src/policies/policy.js';
import { describeSource, policyOf } from '../../../src/policies/resolve-policy.js';

const NOW_MS = Date.parse('2026-11-29T08:00:00Z');
const HOUR_MS = 3_600_000;

function parse(text: string): Policies {
  return parsePolicies(text, 'p.yaml', NOW_MS);
}

/** A document with one policy of these lines, each indented by four spaces already. */
function only(...lines: readonly string[]): string {
  return ['default: a', 'policies:', '  a:', ...lines.map((line) => `    ${line}`), ''].join('\n');
}

function policy(...lines: readonly string[]): Policy | undefined {
  return parse(only(...lines)).policies['a'];
}

/** The same of a document that was checked when it was applied. */
function policyOfKept(...lines: readonly string[]): Policy | undefined {
  return parseKeptPolicies(only(...lines), 'p.yaml', NOW_MS).policies['a'];
}

/** What is said of a document, with the hint. */
function refusal(text: string): string {
  try {
    parse(text);
    return 'no error';
  } catch (error) {
    if (!(error instanceof UmbraError)) throw error;
    return `${error.code} ${error.message} ${error.hint ?? ''}`;
  }
}

t.test('the built-in document is the built-in policy', (t) => {
  const policies = parse(DEFAULT_DOCUMENT);
  t.same(policies, BUILT_IN_POLICIES);
  t.same(policyOf(policies, 'web1', 'hv1'), { name: 'standard', policy: DEFAULT_POLICY, source: { kind: 'default' } });
  const all = parse(DEFAULT_DOCUMENT.replaceAll(/^# (?=groups|hosts|machines| )/gm, ''));
  t.same(all.groups, { databases: { policy: 'standard', machines: ['db1', 'db2'] } }, 'what it proposes is right too');
  t.same(all.hosts, { hv1: { policy: 'standard', concurrent: 2, bytesPerSecond: 100_000_000 } });
  t.same(all.machines, { web1: { policy: 'standard' } });
  t.end();
});

t.test('the document in the README is right', (t) => {
  const readme = readFileSync(new URL('../../../../README.md', import.meta.url), 'utf8');
  const [, document = ''] = /```yaml\n(default:[^]*?)```/.exec(readme) ?? [];
  t.match(parse(document), { default: 'standard', policies: { databases: { minimumAgeMs: 14 * 24 * HOUR_MS } } });
  t.end();
});

t.test('how often changes are replicated', (t) => {
  t.match(policy('shadowCopies: { daily: 22:00 }', 'replicate: { every: 15min }'), {
    shadowCopies: { kind: 'calendar', cron: ['0 22 * * *'] },
    replicate: { kind: 'interval', everyMs: 900_000 },
    dataLossMs: HOUR_MS,
  });
  t.match(policy('replicate: { cron: 0 * * * * }'), { replicate: { kind: 'calendar' }, dataLossMs: 3 * HOUR_MS });
  const quiet = 'quiet: [sat 20:00-24:00, sun 00:00-06:00, mon 01:00-02:00]';
  t.match(policy('replicate: { every: 1h }', quiet), { dataLossMs: 13 * HOUR_MS }, 'what passes while nothing begins');
  t.match(policy('replicate: { every: 4h }', 'dataLoss: 5h'), { dataLossMs: 5 * HOUR_MS }, 'as often as shadow copies');
  t.equal(policy('shadowCopies: { every: 4h }')?.replicate, undefined);
  t.match(
    refusal(only('shadowCopies: { every: 1h }', 'replicate:', '  every: 2h')),
    /p\.yaml:5.*replicate.* lets 2h pass, but shadow copies are made every 1h.*every: 15min/,
  );
  t.match(refusal(only('replicate: { every: 1h }', 'dataLoss: 30min')), /may pass between two times/);
  t.match(refusal(only('replicate: { every: 30s }')), /replicate/);
  t.match(refusal(only('replicate: often')), /must say when/);
  t.match(policyOfKept('shadowCopies: { every: 1h }', 'replicate: { every: 2h }'), {
    replicate: { everyMs: 2 * HOUR_MS },
  });
  t.end();
});

t.test('all that a policy can say', (t) => {
  const found = policy(
    'shadowCopies: { cron: [0 22 * * MON-FRI, 0 12 * * SUN] }',
    'timeZone: Europe/Zurich',
    'keep: { counting: restic, days: 14, last: 3, hourly: 24, daily: 7, weekly: 4, monthly: 12, yearly: 5 }',
    'dataLoss: 3d',
    'quiet: [mon-fri 08:00-18:00, "sat,sun 00:00-24:00", fri-mon 7:30-07:00, 22:00-06:00]',
    'consistency: filesystem',
    'otherwise: fail',
    'minimumAge: 30d',
    'suddenChange: low',
  );
  t.same(found, {
    shadowCopies: { kind: 'calendar', cron: ['0 22 * * MON-FRI', '0 12 * * SUN'] },
    timeZone: 'Europe/Zurich',
    keep: { counting: 'restic', days: 14, last: 3, hourly: 24, daily: 7, weekly: 4, monthly: 12, yearly: 5 },
    dataLossMs: 72 * HOUR_MS,
    quiet: [
      { days: [1, 2, 3, 4, 5], from: 480, to: 1080 },
      { days: [0, 6], from: 0, to: 1440 },
      { days: [0, 1, 5, 6], from: 450, to: 420 },
      { days: [0, 1, 2, 3, 4, 5, 6], from: 1320, to: 360 },
    ],
    consistency: 'filesystem',
    otherwise: 'fail',
    minimumAgeMs: 720 * HOUR_MS,
    suddenChange: 'low',
  });
  t.same(policy('{}'), DEFAULT_POLICY, 'what it does not say is as in the built-in one');
  t.same(policy('keep: all')?.keep, undefined);
  t.same(policy('shadowCopies: { daily: [12:30, "22:00"] }')?.shadowCopies, {
    kind: 'calendar',
    cron: ['30 12 * * *', '0 22 * * *'],
  });
  t.end();
});

t.test('the acceptable data loss fits what is done, if nobody said it', (t) => {
  t.equal(policy('shadowCopies: { every: 1h }')?.dataLossMs, 24 * HOUR_MS);
  t.equal(policy('shadowCopies: { every: 7d }')?.dataLossMs, 252 * HOUR_MS);
  t.equal(policy('shadowCopies: { cron: 0 22 * * MON-FRI }')?.dataLossMs, 108 * HOUR_MS, 'from Friday to Monday');
  t.end();
});

t.test('a day is a day on which no clocks are set', (t) => {
  const text = (times: string, dataLoss: string): string =>
    `default: a\npolicies: { a: { shadowCopies: { daily: ${times} }, timeZone: Europe/Zurich, dataLoss: ${dataLoss} } }\n`;
  // Three days later one has 25 hours.
  const beforeMs = Date.parse('2027-10-28T20:00:00Z');
  t.ok(parsePolicies(text("'22:00'", '24h'), 'p.yaml', beforeMs));
  t.ok(parsePolicies(text("['22:00', '06:30', '12:00']", '10h'), 'p.yaml', beforeMs));
  t.throws(() => parsePolicies(text("['22:00', '06:30', '12:00']", '9h'), 'p.yaml', beforeMs), {
    message: /but 10h may pass/,
  });
  t.end();
});

t.test('whether the data loss fits does not depend on when it is asked', (t) => {
  const text = 'default: a\npolicies: { a: { shadowCopies: { cron: "*/20 8-17 * * *" }, dataLoss: 1h } }\n';
  for (const at of ['2027-06-07T09:00:00Z', '2027-06-07T19:00:00Z']) {
    t.throws(() => parsePolicies(text, 'p.yaml', Date.parse(at)), { message: /but 860min may pass/ }, at);
  }
  const weekly = 'default: a\npolicies: { a: { shadowCopies: { cron: "*/20 8-17 * * MON" } } }\n';
  const ofDefault = (at: string): number | undefined =>
    parsePolicies(weekly, 'p.yaml', Date.parse(at)).policies['a']?.dataLossMs;
  t.equal(ofDefault('2027-06-07T09:00:00Z'), ofDefault('2027-06-08T09:00:00Z'));
  t.end();
});

t.test('whose policy is whose', (t) => {
  const policies = parse(`
default: base
policies: { base: {}, host: {}, group: {}, own: {} }
groups: { constructor: { policy: group, machines: [db1, db2] }, empty: { policy: group } }
hosts: { hv1: { policy: host }, hv2: { concurrent: 3 } }
machines: { db2: { policy: own } }
`);
  const of = (machine: string, host?: string): string => {
    const { name, source } = policyOf(policies, machine, host);
    return `${name}: ${describeSource(source)}`;
  };
  t.equal(of('db2', 'hv1'), 'own: its own');
  t.equal(of('db1', 'hv1'), 'group: group constructor');
  t.equal(of('web', 'hv1'), 'host: host hv1');
  t.equal(of('web', 'hv2'), 'base: default');
  t.equal(of('toString', 'valueOf'), 'base: default');
  t.equal(of('web'), 'base: default');
  t.end();
});

t.test('each error has its line and says what to do', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /p\.yaml:1: it has no default Write "default: NAME"/],
    ['policies:\n  a: {}\n', /:1: it has no default Write "default: a"/],
    ['- a\n', /p\.yaml:1: it must have lines/],
    ['default: a\n  b: [', /p\.yaml:\d: /],
    ['default: a\ndefault: b\npolicies: { a: {}, b: {} }\n', /p\.yaml:2: .*unique/],
    ['default: a\npolices: {}\n', /:2: "polices" is not known Did you mean "policies"/],
    ['default: b\npolicies:\n  base: {}\n', /:1: "default" is "b", and there is no such policy There are base\./],
    ['policies:\n  base: {}\n\ndefault: bse\n', /:4: .*Did you mean "base"\?/],
    ['default: a\n', /There are none below "policies"/],
    ['default: a\npolicies:\n  "b c": {}\n  a: {}\n', /:3: "policies\.b c" is no name Use letters/],
    [only('shadowCopys: 5'), /:4: "shadowCopys" is not known Did you mean "shadowCopies"/],
    [only('shadowCopies: 4h'), /:4: "policies\.a\.shadowCopies" must say when Write "every: 4h"/],
    [only('shadowCopies: {}'), /:4: .*must have one of every, daily and cron/],
    [only('shadowCopies: { every: 4h, daily: 22:00 }'), /:4: .*must have one of/],
    [
      only('shadowCopies:', '  every: 4 hours'),
      /:5: "policies\.a\.shadowCopies\.every" must be a duration Write 15min/,
    ],
    [only('shadowCopies:', '  every: 5s'), /:5: .*is too short/],
    [only('shadowCopies:', '  every: 999999999d'), /:5: .*is too long/],
    [only('shadowCopies:', '  every: 4'), /:5: .*must be a duration/],
    [only('shadowCopies:', '  daily: []'), /:5: .*must have one to 24 times/],
    [only('shadowCopies:', '  daily: 25:00'), /:5: .*"25:00", which is no time of the day/],
    [only('shadowCopies:', '  cron:', '    - 0 22 * * *', '    - 0 0 30 2 *'), /:7: .*cron\[1\]" never comes/],
    [only('shadowCopies:', '  cron: 0 25 * * *'), /:5: .*is no calendar: .*25 It has minute, hour/],
    [only(`shadowCopies: { cron: "${'0 '.repeat(60)}" }`), /:4: .*longer than 100 characters/],
    [only('timeZone: Europe/Zuerich'), /:4: .*does not exist Did you mean Europe\/Zurich\?/],
    [only('keep:', '  daily: 0'), /:4: "policies\.a\.keep" keeps nothing Say how many.*keep: all/],
    [only('keep: {}'), /keeps nothing/],
    [only('keep: none'), /:4: .*must have rules, or be all/],
    [only('keep:', '  daily: -1'), /:5: .*must be a whole number from 0 to 100000/],
    [only('keep:', '  dayly: 7'), /:5: "dayly" is not known Did you mean "daily"/],
    [only('keep:', '  daily: 7', '  counting: borg'), /:6: .*must be proxmox or restic/],
    [only('shadowCopies: { every: 4h }', '', 'dataLoss: 1h'), /:6: .*is 1h, but 4h may pass.*more often/],
    [only('quiet: [mon-fri 08:00-18:00,', '  mo 08:00-10:00]'), /:5: .*quiet\[1\]" has "mo", which is no day/],
    [only('quiet: 08:00'), /must be a time of the week/],
    [only('quiet: mon-tue-wed 08:00-10:00'), /which are no days/],
    [only('quiet: 00:00-24:00'), /:4: .*leaves no time in which anything runs/],
    [only('quiet: [mon-thu 06:00-06:00, fri-sun 06:00-06:00]'), /leaves no time/],
    [only('quiet: { a: b }'), /must be a list/],
    [only('consistency: crashed'), /:4: .*must be filesystem or crash Did you mean "crash"/],
    [only('minimumAge: 0d'), /must be a duration/],
    [only('suddenChange: loud'), /must be off or low or normal or high/],
    [only('{}', '').replace('default: a', 'default: [a]'), /:1: "default" must be a text/],
    ['default: a\npolicies: { a: {} }\ngroups:\n  g: { machines: [m] }\n', /:4: "groups\.g" has no policy/],
    ['default: a\npolicies: { a: {} }\ngroups:\n  g: { policy: a, machines: { m: 1 } }\n', /:4: .*must be a list/],
    [
      'default: a\npolicies: { a: {} }\ngroups:\n  g:\n    policy: a\n    machines:\n      - "m/1"\n',
      /:7: .*machines\[0\]" must be a name, not "m\/1"/,
    ],
    [
      'default: a\npolicies: { a: {} }\ngroups:\n  g: { policy: a, machines: [m] }\n  h:\n    policy: a\n    machines: [x,\n      m]\n',
      /:8: .*is m, which is in the group g too Take it out of one/,
    ],
    ['default: a\npolicies: { a: {} }\ngroups:\n  g: { policy: a, machines: [m, m] }\n', /:4: .*is m a second time/],
    ['default: a\npolicies: { a: {} }\nhosts:\n  h: { concurrent: 0 }\n', /:4: .*from 1 to 64/],
    ['default: a\npolicies: { a: {} }\nhosts:\n  h: { bandwidth: 100 }\n', /:4: .*must be a rate Write 100MB\/s/],
    [
      'default: a\npolicies: { a: {} }\nhosts:\n  h: { bandwidth: 63KiB/s }\n',
      /:4: .*is too low a rate Write at least 64KiB\/s/,
    ],
    ['default: a\npolicies: { a: {} }\nmachines:\n  m: {}\n', /:4: "machines\.m" has no policy/],
    ['default: a\npolicies: { a: {} }\nmachines:\n  m: { policy: b }\n', /:4: .*there is no such policy/],
  ];
  for (const [text, expected] of cases) t.match(refusal(text), expected, text);
  t.end();
});

t.test('hostile documents are refused, soon', (t) => {
  t.match(refusal('#'.repeat(70_000)), /longer than 65536 characters/);
  for (const nested of ['[', '{a: ', '- ', '? ']) {
    t.match(refusal(nested.repeat(15_000)), /BAD_ARGUMENT p\.yaml: .*40 levels deep/, 'what would end the process');
  }
  const crons = Array.from(
    { length: 20 },
    (_, n) => `  p${n}: { shadowCopies: { cron: [${'0 0 29 2 *, '.repeat(10)}] } }`,
  );
  t.match(refusal(`default: p0\npolicies:\n${crons.join('\n')}\n`), /one calendar too many/);
  const many = Array.from({ length: 5000 }, (_, n) => `m${n}`).join(', ');
  t.match(
    refusal(`default: a\npolicies: { a: {} }\ngroups: { g: { policy: a, machines: [${many}] } }`),
    /more than 4096/,
  );
  const aliases = (count: number): string =>
    `default: a\npolicies: { a: &a {}, ${Array.from({ length: count }, (_, n) => `p${n}: *a`).join(', ')} }\n`;
  t.match(refusal(aliases(101)), /more than 100 aliases/, 'what would take minutes with thousands of them');
  t.ok(parse(aliases(100)));
  const loop = 'default: a\npolicies: &p\n  a: *p\n';
  t.match(refusal(loop), /"a" is not known|Unresolved|alias/i, 'a document that has itself in it');
  const bomb = [
    'a: &a [x, x]',
    ...Array.from('bcdefghij', (name, n) => `${name}: &${name} [*${'abcdefghij'[n]}, *${'abcdefghij'[n]}]`),
  ];
  t.match(refusal(bomb.join('\n')), /"a" is not known/);
  t.end();
});

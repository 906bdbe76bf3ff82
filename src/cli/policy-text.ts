import { durationText } from '../common/durations.js';
import type {
  KeepInfo,
  MachinePolicy,
  PoliciesMeaning,
  PolicyInfo,
  QuietInfo,
  RhythmInfo,
} from '../protocol/policies-api.js';
import { formatPairs, formatTable } from './table.js';

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const RULES = ['days', 'last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;

/** A policy, and why it is a machine's, in words. */
export function policyText(machine: MachinePolicy, policy: PolicyInfo): string {
  const { consistency, otherwise, minimumAgeMs, suddenChange } = policy;
  return formatPairs([
    ['machine', machine.machine],
    ...(machine.host === undefined ? [] : [['host', machine.host] as const]),
    ['policy', `${policy.name} (${sourceText(machine)})`],
    ['shadow copies', rhythmText(policy.shadowCopies)],
    ['replicated', replicatedText(policy)],
    ['kept', policy.keep === undefined ? 'all' : keepText(policy.keep)],
    ['time zone', policy.timeZone],
    ['acceptable data loss', durationText(policy.dataLossMs)],
    ['quiet times', policy.quiet.length === 0 ? 'none' : policy.quiet.map(quietText).join('; ')],
    ['consistency', `${consistency}, else ${otherwise === 'accept' ? 'what can be had' : 'the job fails'}`],
    ['minimum age', minimumAgeMs === 0 ? 'none' : durationText(minimumAgeMs)],
    ['sudden change', suddenChange === 'off' ? 'not looked for' : `looked for, sensitivity ${suddenChange}`],
  ]);
}

/** Which policy is whose, and what to look at. */
export function meaningText({ machines, policies, warnings }: PoliciesMeaning): string {
  const rows = machines.map((machine) => {
    const policy = policies.find(({ name }) => name === machine.policy);
    const made = policy === undefined ? '' : rhythmText(policy.shadowCopies);
    const replicated = policy === undefined ? '' : replicatedText(policy);
    const kept = policy?.keep === undefined ? 'all' : keepText(policy.keep);
    return [machine.machine, machine.host ?? '-', machine.policy, sourceText(machine), made, replicated, kept];
  });
  const titles = ['MACHINE', 'HOST', 'POLICY', 'FROM', 'SHADOW COPIES', 'REPLICATED', 'KEPT'];
  const table = formatTable(
    titles.map((title) => ({ title })),
    rows,
  );
  const notes = warnings.map((warning) => `note: ${warning}\n`).join('');
  return `${rows.length === 0 ? 'There are no machines yet.\n' : table}${notes}`;
}

function sourceText({ source, sourceName }: MachinePolicy): string {
  if (source === 'machine') return 'its own';
  return sourceName === undefined ? source : `${source} ${sourceName}`;
}

function rhythmText(rhythm: RhythmInfo): string {
  return rhythm.kind === 'interval' ? `every ${durationText(rhythm.everyMs)}` : `at ${rhythm.cron.join('; ')}`;
}

function replicatedText({ replicate }: PolicyInfo): string {
  return replicate === undefined ? 'with shadow copies' : rhythmText(replicate);
}

function keepText(keep: KeepInfo): string {
  const rules = RULES.flatMap((rule) => ((keep[rule] ?? 0) > 0 ? [`${rule} ${keep[rule]}`] : []));
  return `${rules.join(', ')}${keep.counting === 'restic' ? ' (as restic counts)' : ''}`;
}

function quietText({ days, from, to }: QuietInfo): string {
  const named = days.length === 7 ? [] : [days.map((day) => DAYS[day] ?? '').join(',')];
  return [...named, `${clockText(from)}-${clockText(to)}`].join(' ');
}

function clockText(minutes: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

import { durationText } from '../common/durations.js';
import { printable } from '../common/printable.js';
import type { FleetStatus, MachineStatus } from '../protocol/server-api.js';
import { formatAge, formatCount, plural } from './format.js';
import { formatTable } from './table.js';

/** How many lines and columns there is room for. */
export interface Room {
  readonly rows: number;
  /** Undefined: as many as it takes. */
  readonly columns: number | undefined;
}

/** However low the screen is, so many machines are shown. */
const LEAST_SHOWN = 5;
/** The titles of the table, and the line that says how many more there are. */
const LINES_AROUND = 2;

const COLUMNS = [
  { title: 'MACHINE' },
  { title: 'HOST' },
  { title: 'STATE' },
  { title: 'REPLICA', right: true },
  { title: 'SHADOW COPY', right: true },
  { title: 'ACCEPTABLE', right: true },
  { title: 'NEXT' },
  { title: 'WHY NOT' },
];

/** How many machines are in which state: `2 in breach, 1 late, 37 ok`. */
export function countsText(machines: readonly MachineStatus[]): string {
  const count = (state: MachineStatus['state']): number => machines.filter((machine) => machine.state === state).length;
  const all = [
    [count('breach'), 'in breach'],
    [count('late'), 'late'],
    [count('ok'), 'ok'],
  ] as const;
  return all
    .filter(([number]) => number > 0)
    .map(([number, state]) => `${formatCount(number)} ${state}`)
    .join(', ');
}

/** The machines, the worst first, as many as there is room for, and how many more there are. */
export function fleetText({ machines, isScheduling, asOf }: FleetStatus, room: Room, showsAll: boolean): string {
  const fitting = Math.max(LEAST_SHOWN, room.rows - LINES_AROUND);
  const most = showsAll || machines.length <= fitting ? machines.length : fitting;
  const shown = machines.slice(0, most);
  const more = machines.slice(most);
  const rows = shown.map((machine) => row(machine, isScheduling, Date.parse(asOf)));
  const table = formatTable(COLUMNS, rows)
    .trimEnd()
    .split('\n')
    .map((line) => `${cut(line, room.columns)}\n`);
  return (
    table.join('') +
    (more.length === 0 ? '' : `${plural(more.length, 'more machine')}: ${countsText(more)}; --all shows all\n`)
  );
}

/** One line for programs that watch: what is wrong, the worst first. */
export function checkText({ machines }: FleetStatus): string {
  const bad = machines.filter(({ state }) => state !== 'ok');
  const word = bad.some(({ state }) => state === 'breach') ? 'BREACH' : 'OK';
  const named = bad.map((machine) => `${machine.machine} ${ageText(machine)} of ${acceptableText(machine)}`);
  const counts = machines.length === 0 ? 'no machine is protected' : countsText(machines);
  return `${word}: ${[counts, ...(named.length === 0 ? [] : [named.join(', ')])].join('; ')}\n`;
}

function row(machine: MachineStatus, isScheduling: boolean, nowMs: number): string[] {
  const { machine: name, host, state } = machine;
  const words = state === 'breach' ? 'BREACH' : state;
  return [
    name,
    host,
    words,
    ageText(machine),
    shadowCopyText(machine),
    acceptableText(machine),
    nextText(machine, isScheduling, nowMs),
    whyText(machine),
  ];
}

function ageText({ ageSeconds }: MachineStatus): string {
  return ageSeconds === undefined ? 'unknown' : formatAge(ageSeconds);
}

function shadowCopyText({ shadowCopyAgeSeconds }: MachineStatus): string {
  return shadowCopyAgeSeconds === undefined ? '-' : formatAge(shadowCopyAgeSeconds);
}

function acceptableText({ acceptableSeconds }: MachineStatus): string {
  return durationText(acceptableSeconds * 1000);
}

function nextText({ nextAt, job }: MachineStatus, isScheduling: boolean, nowMs: number): string {
  if (job?.state === 'running') return 'runs';
  if (!isScheduling) return 'paused';
  if (nextAt === undefined) return 'never';
  const seconds = (Date.parse(nextAt) - nowMs) / 1000;
  return seconds < 1 ? 'now' : `in ${formatAge(seconds)}`;
}

/** What is known of why there is no newer one. */
function whyText({ state, time, isConnected, host, job }: MachineStatus): string {
  const parts = time === undefined ? ['no shadow copy yet'] : [];
  if (job?.error !== undefined) parts.push(`${job.error.code}: ${printable(job.error.message)} (umbra job ${job.id})`);
  else if (job?.state === 'cancelled') parts.push(`cancelled (umbra job ${job.id})`);
  else if (state !== 'ok' && !isConnected) parts.push(`the agent of ${host} is not connected`);
  else if (job?.state === 'waiting') parts.push(`waits (umbra job ${job.id})`);
  return parts.join('; ');
}

/** No longer than there is room for. */
export function cut(line: string, columns: number | undefined): string {
  return columns === undefined || line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`;
}

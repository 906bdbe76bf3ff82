import { formatBytes } from '../../src/cli/format.js';
import { FAULT_KINDS, type SimulateOptions } from './options.js';
import { isoTime } from './history.js';
import type { SimulationResult } from './simulation.js';

const DAY_MS = 86_400_000;

/** What a run has cost. */
export interface Cost {
  readonly seconds: number;
  readonly peakBytes: number;
}

/** What has happened, and how often what was checked. */
export function summaryText(result: SimulationResult, { seconds, peakBytes }: Cost): string {
  const { counts, checked, passedMs } = result;
  const of = (...names: readonly string[]): number => names.reduce((sum, name) => sum + (counts[name] ?? 0), 0);
  const rows: readonly (readonly [string, number | string])[] = [
    ['machines protected at the end', result.protectedMachines],
    ['jobs begun', of('begun', 'replication begun')],
    ['  of them replications', of('replication begun')],
    ['  that failed', of('failed')],
    ['shadow copies made', of('made')],
    ['  deleted', of('deleted', 'deleted at the end')],
    ['  of them by an administrator', of('forgotten')],
    ['  kept at the end', result.kept],
    ['replicas made', of('replicated')],
    ['  made shadow copies, or dropped', `${of('replica kept')}, ${of('replica dropped')}`],
    ['collections', of('collected')],
    ['outages of hosts, and of networks', of('host away', 'network away')],
    ['servers stopped', of('server stopped')],
    ['servers killed', of('server killed')],
    ['power cuts', of('power cut')],
    ['wall clocks set', of('clock set')],
    ['disks full', of('disk full')],
    ['objects damaged', of('damage')],
    ['breaches of acceptable data loss', of('breach')],
    ['policies changed', of('policies')],
    ['machines protected, moved, let go', `${of('protected')}, ${of('moved')}, ${of('unprotected')}`],
  ];
  const checks = Object.entries(checked).map(([name, times]): readonly [string, number] => [`  ${name}`, times]);
  const costs: readonly (readonly [string, string])[] = [
    ['simulated', `${(passedMs / DAY_MS).toFixed(1)} days, ${result.events} events`],
    ['took', `${seconds.toFixed(1)} s`],
    ['peak memory', formatBytes(peakBytes)],
    ['digest of its history', result.digest],
  ];
  return table([...rows, ['checked', ''], ...checks, ...costs]);
}

function table(rows: readonly (readonly [string, number | string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd()).join('\n') + '\n';
}

/** What did not hold, when, and how to see it again; nothing if all held. */
export function failureText(result: SimulationResult, options: SimulateOptions): string {
  const { violation, before, wallMs, passedMs, seed } = result;
  if (violation === undefined) return '';
  const { invariant, machine, text } = violation;
  const days = (passedMs / DAY_MS).toFixed(3);
  return [
    '',
    ...before,
    '',
    `FAILED: ${invariant}${machine === '' ? '' : `, ${machine}`}: ${text}`,
    `on day ${days}, when wall clocks showed ${isoTime(wallMs)}, with seed ${seed}`,
    `Repeat it up to that moment: ${repeatCommand(options, seed)}`,
    '',
  ].join('\n');
}

/** The same run, to its end or to the first thing that does not hold. */
export function repeatCommand({ machines, days, faults, plant }: SimulateOptions, seed: number): string {
  const all = faults.size === FAULT_KINDS.length;
  const list = faults.size === 0 ? 'none' : [...faults].join(',');
  const options = [all ? '' : ` --faults ${list}`, plant === undefined ? '' : ` --plant ${plant}`];
  return `scripts/simulate --machines ${machines} --days ${days} --seed ${seed}${options.join('')}`;
}

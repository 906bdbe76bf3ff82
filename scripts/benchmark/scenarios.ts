import type { Better } from './statistics.js';

/** What `--only` takes. */
export const SCENARIO_NAMES = [
  'first',
  'unchanged',
  'reread',
  'changed',
  'second',
  'disk',
  'read',
  'random',
  'restore',
  'forget',
  'memory',
  'amplification',
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

/** A line of the table. */
export interface Row {
  readonly scenario: ScenarioName;
  readonly title: string;
  readonly unit: string;
  readonly better: Better;
}

const row = (scenario: ScenarioName, title: string, unit: string, better: Better): Row => ({
  scenario,
  title,
  unit,
  better,
});

export const ROWS = {
  first: row('first', 'first backup of A', 's', 'lower'),
  unchanged: row('unchanged', 'unchanged backup', 's', 'lower'),
  reread: row('reread', 'unchanged backup, image read again', 's', 'lower'),
  changed: row('changed', "changed backup (A after a day's work)", 's', 'lower'),
  second: row('second', 'second machine B', 's', 'lower'),
  disk: row('disk', 'store on disk after these', 'MB', 'lower'),
  mount: row('read', 'mount until it answers', 's', 'lower'),
  read: row('read', 'read a whole volume from the mount, cold', 'MB/s', 'higher'),
  random: row('random', 'random 4 KiB reads from the mount, cold', '1/s', 'higher'),
  restore: row('restore', 'whole restore, cold', 's', 'lower'),
  forget: row('forget', 'forget + gc of one of many versions', 's', 'lower'),
  freed: row('forget', 'freed by it', 'MB', 'higher'),
  memory: row('memory', 'peak anonymous memory', 'MB', 'lower'),
  written: row('amplification', 'written for each byte of the store', 'x', 'lower'),
  reported: row('amplification', "written for each byte stored, by the program's own count", 'x', 'lower'),
} as const satisfies Record<string, Row>;
export type RowName = keyof typeof ROWS;

/** Every figure that was measured, in the order of the rounds. */
export type Samples = Partial<Record<RowName, Record<string, number[]>>>;

/** Adds one figure. */
export function addSample(samples: Samples, name: RowName, contender: string, value: number): void {
  const ofRow = (samples[name] ??= {});
  (ofRow[contender] ??= []).push(value);
}

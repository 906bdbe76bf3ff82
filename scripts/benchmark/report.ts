import { cpus, release, totalmem } from 'node:os';
import type { ContenderName } from './contender.js';
import type { Input } from './input.js';
import type { BenchOptions } from './options.js';
import { ROWS, type Row, type RowName, type Samples } from './scenarios.js';
import { advantage, median } from './statistics.js';
import { formatFigure, formatRatio, formatTable } from './table.js';

/** Everything that a run found; written by `--json`. */
export interface Report {
  readonly time: string;
  readonly machine: {
    readonly cpu: string;
    readonly cpus: number;
    readonly memoryBytes: number;
    readonly kernel: string;
  };
  readonly node: string;
  readonly versions: Readonly<Partial<Record<ContenderName, string>>>;
  readonly scale: string;
  readonly rounds: number;
  readonly seed: number;
  readonly input: Input;
  readonly rows: readonly ReportRow[];
  /** What went wrong, in words; figures of a contender that failed are missing. */
  readonly failures: readonly string[];
}

interface ReportRow extends Row {
  readonly name: RowName;
  readonly samples: Readonly<Record<string, readonly number[]>>;
  readonly medians: Readonly<Record<string, number>>;
  /** How many times better Umbra is than each other contender; above 1 is in Umbra's favour. */
  readonly advantages: Readonly<Record<string, number>>;
}

export function makeReport(
  options: BenchOptions,
  input: Input,
  versions: Report['versions'],
  samples: Samples,
  failures: readonly string[],
): Report {
  const cpu = cpus();
  return {
    time: new Date().toISOString(),
    machine: {
      cpu: cpu[0]?.model ?? 'unknown',
      cpus: cpu.length,
      memoryBytes: totalmem(),
      kernel: release(),
    },
    node: process.version,
    versions,
    scale: options.scale.name,
    rounds: options.rounds,
    seed: options.seed,
    input,
    rows: reportRows(samples),
    failures,
  };
}

/** The rows that have figures, in the table's order. */
export function reportRows(samples: Samples): ReportRow[] {
  return (Object.keys(ROWS) as RowName[]).flatMap((name) => {
    const ofRow = samples[name];
    return ofRow === undefined ? [] : [reportRow(name, ofRow)];
  });
}

function reportRow(name: RowName, samples: Readonly<Record<string, readonly number[]>>): ReportRow {
  const row = ROWS[name];
  const medians: Record<string, number> = {};
  for (const [contender, values] of Object.entries(samples)) {
    const middle = median(values);
    if (middle !== undefined) medians[contender] = middle;
  }
  const advantages: Record<string, number> = {};
  for (const [contender, theirs] of Object.entries(medians)) {
    const times = contender === 'umbra' ? undefined : advantage(medians['umbra'], theirs, row.better);
    if (times !== undefined) advantages[contender] = times;
  }
  return { ...row, name, samples, medians, advantages };
}

/** The report as a table of medians for people, and what it was measured on. */
export function formatReport(report: Report, contenders: readonly ContenderName[]): string {
  const peers = contenders.includes('umbra') ? contenders.filter((name) => name !== 'umbra') : [];
  const head = ['scenario', 'unit', ...contenders, ...peers.map((name) => `vs ${name}`)];
  const rows = report.rows.map((row) => [
    row.title,
    row.unit,
    ...contenders.map((name) => formatFigure(row.medians[name])),
    ...peers.map((name) => formatRatio(row.advantages[name])),
  ]);
  const { machine, input } = report;
  const sizes = Object.entries(input.dataBytes).map(([name, bytes]) => `${name} ${formatFigure(bytes / 1e6)} MB`);
  return [
    formatTable([head, ...rows]),
    `Medians of ${report.rounds} rounds. Ratios: how many times better Umbra is, so above 1 is in its favour.`,
    `Input: images of ${input.imageBytes / 1024 ** 2} MiB, scale ${report.scale}, seed ${report.seed}; data: ${sizes.join(', ')};`,
    `  from a to a2 ${formatFigure(input.changedBytes / 1e6)} MB of blocks changed.`,
    `Machine: ${machine.cpu}, ${machine.cpus} CPUs, ${Math.round(machine.memoryBytes / 1024 ** 3)} GiB, Linux ${machine.kernel}, Node.js ${report.node}.`,
    `Programs: ${Object.entries(report.versions)
      .map(([name, version]) => (version.includes(name) ? version : `${name} ${version}`))
      .join('; ')}.`,
    '',
  ].join('\n');
}

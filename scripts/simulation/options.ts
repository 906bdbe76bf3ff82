import { parseArgs } from 'node:util';
import { isPlantName, PLANTS, type PlantName } from './plants.js';

export const FAULT_KINDS = [
  'outages',
  'agents',
  'stops',
  'crashes',
  'power-cuts',
  'clock',
  'disk-full',
  'damage',
  'changes',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface SimulateOptions {
  readonly help: boolean;
  readonly machines: number;
  readonly days: number;
  readonly seed: number;
  readonly faults: ReadonlySet<FaultKind>;
  /** A defect that a run must find. */
  readonly plant: PlantName | undefined;
  readonly untilFailure: boolean;
  readonly json: boolean;
  /** Where all that happens is written to, line by line. */
  readonly history: string | undefined;
}

const OPTIONS = {
  help: { type: 'boolean', short: 'h', default: false },
  machines: { type: 'string', default: '200' },
  years: { type: 'string' },
  days: { type: 'string' },
  seed: { type: 'string' },
  faults: { type: 'string', default: 'all' },
  plant: { type: 'string' },
  'until-failure': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  history: { type: 'string' },
} as const;

export const HELP = `Usage: scripts/simulate [OPTION]...

Runs a fleet under Umbra's server, with a clock that goes as fast as it can: policies, outages, crashes, power cuts, wall clocks that
are set, full disks, damage, administrators who change their minds. A simple model says what must be true; the first thing that is
not ends the run. The same options and seed are the same run, to the last byte.

  --machines N      how many machines there are to begin with (default 200)
  --years N         how long it goes on (default 3)
  --days N          the same in days
  --seed N          repeat a run; without it a new one, which is printed
  --faults LIST     what goes wrong, with commas between: ${FAULT_KINDS.slice(0, 5).join(', ')},
                    ${FAULT_KINDS.slice(5).join(', ')}; all (default) or none
  --plant DEFECT    have a server that does one thing wrong, to see that it is found:
${plantLines()}
  --until-failure   when it ends well begin anew with the next seed
  --history FILE    write all that happens to FILE, line by line
  --json            one JSON document for each run, and nothing else, on standard output
  -h, --help        show this

It ends with 1 if something did not hold: it says what, when and of which machine, and what had happened before; with
2 if an option is wrong.
`;

function plantLines(): string {
  const width = Math.max(...Object.keys(PLANTS).map((name) => name.length));
  return Object.entries(PLANTS)
    .map(([name, { what }]) => `                      ${name.padEnd(width)}  ${what}`)
    .join('\n');
}

/** @throws RangeError, TypeError for what can't be understood */
export function parseOptions(commandLine: readonly string[], newSeed: () => number): SimulateOptions {
  const { values } = parseArgs({ args: [...commandLine], options: OPTIONS });
  if (values.years !== undefined && values.days !== undefined) throw new RangeError('give --years or --days, not both');
  const years = number('years', values.years ?? '3');
  return {
    help: values.help,
    machines: Math.max(1, Math.floor(number('machines', values.machines))),
    days: values.days === undefined ? years * 365.25 : number('days', values.days),
    seed: values.seed === undefined ? newSeed() : number('seed', values.seed),
    faults: parseFaults(values.faults),
    plant: values.plant === undefined ? undefined : parsePlant(values.plant),
    untilFailure: values['until-failure'],
    json: values.json,
    history: values.history,
  };
}

function parseFaults(text: string): ReadonlySet<FaultKind> {
  if (text === 'all') return new Set(FAULT_KINDS);
  if (text === 'none') return new Set();
  return new Set(
    text.split(',').map((name) => {
      const kind = FAULT_KINDS.find((candidate) => candidate === name);
      if (kind === undefined) throw new RangeError(`--faults has ${JSON.stringify(name)}`);
      return kind;
    }),
  );
}

function parsePlant(name: string): PlantName {
  if (isPlantName(name)) return name;
  throw new RangeError(`--plant has ${JSON.stringify(name)}`);
}

function number(option: string, text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(value)) throw new RangeError(`--${option} needs a number, not ${JSON.stringify(text)}`);
  return value;
}

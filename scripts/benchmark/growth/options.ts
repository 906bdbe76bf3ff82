import path from 'node:path';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { BenchError, reasonOf } from '../bench-error.js';
import { listOf, oneOf, whole } from '../options.js';
import { OPERATION_NAMES, type OperationName } from './operations.js';
import { GROWTH_SCALES, type GrowthScale } from './scale.js';

export interface GrowthOptions {
  readonly help: boolean;
  readonly scale: GrowthScale;
  readonly only: readonly OperationName[];
  readonly seed: number;
  /** Where the stores are made. */
  readonly directory: string;
  /** Where the chart goes; undefined for nowhere. */
  readonly out: string | undefined;
  /** Where the machine-readable results go; undefined for nowhere. */
  readonly json: string | undefined;
}

export const HELP = `Usage: scripts/bench growth [OPTION]...

Measures how the time and the memory of each operation grow with the number of shadow copies, with the size of
sparse volumes and with the number of machines, and says which grow with what they do not touch. Needs root.

  --scale full|small  1 to 1,000 shadow copies, 1 to 1,000 GiB, 1 to 100 machines (about 20 minutes), or a tenth of
                      that at most (two minutes)
  --only NAME,...     of ${OPERATION_NAMES.slice(0, 6).join(', ')},
                      ${OPERATION_NAMES.slice(6, 12).join(', ')},
                      ${OPERATION_NAMES.slice(12).join(', ')}
  --seed N            what data and changes are drawn from (default 1)
  --directory DIR     where the stores are made, on a real disk, 4 GiB of it (default \${TMPDIR:-/tmp})
  --out FILE.svg      draw all figures
  --json FILE         write all figures to FILE
  -h, --help          this text
`;

const OPTIONS = {
  help: { type: 'boolean', short: 'h', default: false },
  scale: { type: 'string', default: 'full' },
  only: { type: 'string', default: OPERATION_NAMES.join(',') },
  seed: { type: 'string', default: '1' },
  directory: { type: 'string' },
  out: { type: 'string' },
  json: { type: 'string' },
} as const;

/** @throws {BenchError} when an option is unknown or its value is wrong */
export function parseGrowthOptions(args: readonly string[]): GrowthOptions {
  const values = parse(args);
  if (values.out !== undefined && !values.out.endsWith('.svg')) {
    throw new BenchError(`--out takes the name of an SVG file, as growth.svg, not "${values.out}"`);
  }
  return {
    help: values.help,
    scale: GROWTH_SCALES[oneOf('--scale', ['full', 'small'], values.scale)],
    only: listOf('--only', OPERATION_NAMES, values.only),
    seed: whole('--seed', values.seed, 0),
    directory: path.resolve(values.directory ?? tmpdir()),
    out: values.out === undefined ? undefined : path.resolve(values.out),
    json: values.json === undefined ? undefined : path.resolve(values.json),
  };
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'] {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new BenchError(`${reasonOf(error)} (see scripts/bench growth --help)`, { cause: error });
  }
}

import { homedir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BenchError, reasonOf } from './bench-error.js';
import { CONTENDER_NAMES, type ContenderName } from './contender.js';
import { SCALES, type Scale } from './scale.js';
import { SCENARIO_NAMES, type ScenarioName } from './scenarios.js';

export interface BenchOptions {
  readonly help: boolean;
  readonly rounds: number;
  readonly scale: Scale;
  readonly cache: string;
  readonly seed: number;
  readonly only: readonly ScenarioName[];
  readonly contenders: readonly ContenderName[];
  /** Where the machine-readable results go; undefined for nowhere. */
  readonly json: string | undefined;
}

const OPTIONS = {
  help: { type: 'boolean', short: 'h', default: false },
  rounds: { type: 'string', default: '3' },
  scale: { type: 'string', default: 'full' },
  cache: { type: 'string' },
  seed: { type: 'string', default: '1' },
  only: { type: 'string', default: SCENARIO_NAMES.join(',') },
  contenders: { type: 'string', default: CONTENDER_NAMES.join(',') },
  versions: { type: 'string' },
  json: { type: 'string' },
} as const;

export const HELP = `Usage: scripts/bench [OPTION]...

Measures Umbra, borg and restic side by side on disk images that are built once from Debian packages.
Needs root: the images are made in chroots and loop mounts, and the kernel's caches are dropped.

  --rounds N            how often everything is measured (default 3); medians are shown
  --scale full|small    2 GiB images of Debian systems, or 256 MiB of this machine's /usr as a quick check
  --only NAME,...       scenarios: ${SCENARIO_NAMES.slice(0, 7).join(', ')},
                        ${SCENARIO_NAMES.slice(7).join(', ')}
  --contenders NAME,... of ${CONTENDER_NAMES.join(', ')}
  --versions N          how many versions the forget scenario makes (default 100, small 10)
  --seed N              what the random changes and offsets are drawn from (default 1)
  --cache DIR           where the input is kept and the stores are made (default \${XDG_CACHE_HOME:-~/.cache}/umbra-bench)
  --json FILE           write all figures and what they were measured on to FILE
  -h, --help            this text
`;

/** @throws {BenchError} when an option is unknown or its value is wrong */
export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv): BenchOptions {
  const values = parse(args);
  const scale = SCALES[oneOf('--scale', ['full', 'small'], values.scale)];
  const manyVersions = values.versions === undefined ? scale.manyVersions : whole('--versions', values.versions, 2);
  const cacheHome = env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  return {
    help: values.help,
    rounds: whole('--rounds', values.rounds, 1),
    scale: { ...scale, manyVersions },
    cache: path.resolve(values.cache ?? path.join(cacheHome, 'umbra-bench')),
    seed: whole('--seed', values.seed, 0),
    only: listOf('--only', SCENARIO_NAMES, values.only),
    contenders: listOf('--contenders', CONTENDER_NAMES, values.contenders),
    json: values.json === undefined ? undefined : path.resolve(values.json),
  };
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'] {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new BenchError(`${reasonOf(error)} (see --help)`, { cause: error });
  }
}

/** @throws {BenchError} naming the option */
export function whole(option: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new BenchError(`${option} takes a whole number of at least ${least}, not "${text}"`);
}

/** @throws {BenchError} naming the option */
export function oneOf<Name extends string>(option: string, names: readonly Name[], text: string): Name {
  const found = names.find((name) => name === text);
  if (found !== undefined) return found;
  throw new BenchError(`${option} knows ${names.join(', ')}, not "${text}"`);
}

/** Names, with commas between them. @throws {BenchError} naming the option */
export function listOf<Name extends string>(option: string, names: readonly Name[], text: string): Name[] {
  return text.split(',').map((part) => oneOf(option, names, part.trim()));
}

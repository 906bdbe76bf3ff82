import { homedir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BenchError, reasonOf } from '../bench-error.js';
import { listOf, oneOf, whole } from '../options.js';

export const SUITE_NAMES = ['vm', 'changed', 'wire', 'many'] as const;
export type SuiteName = (typeof SUITE_NAMES)[number];

export interface AgentsOptions {
  readonly help: boolean;
  readonly only: readonly SuiteName[];
  readonly rounds: number;
  readonly scale: 'full' | 'small';
  readonly seed: number;
  readonly cache: string;
  /** Where the machine-readable results go; undefined for nowhere. */
  readonly json: string | undefined;
}

export const HELP = `Usage: scripts/bench agents [OPTION]...

Measures backups that agents make over TLS, with real QEMU, libvirt and TLS on this machine. Needs root.

  --only NAME,...     of ${SUITE_NAMES.join(', ')}:
                      vm       full and incremental backups of a running machine, virtnbdbackup beside it
                      changed  1 % of a disk of 20 GiB, by what QEMU knows of it and by reading all of it
                      wire     how much goes through, beside raw TLS and a backup without an agent
                      many     50 agents at once
  --rounds N          how often everything is measured (default 2); medians are shown
  --scale full|small  small is a quick check
  --seed N            what changes are drawn from (default 1)
  --cache DIR         where the input is kept, 30 GiB of it (default \${XDG_CACHE_HOME:-~/.cache}/umbra-bench)
  --json FILE         write all figures to FILE
  -h, --help          this text
`;

const OPTIONS = {
  help: { type: 'boolean', short: 'h', default: false },
  only: { type: 'string', default: SUITE_NAMES.join(',') },
  rounds: { type: 'string', default: '2' },
  scale: { type: 'string', default: 'full' },
  seed: { type: 'string', default: '1' },
  cache: { type: 'string' },
  json: { type: 'string' },
} as const;

/** @throws {BenchError} when an option is unknown or its value is wrong */
export function parseAgentsOptions(args: readonly string[], env: NodeJS.ProcessEnv): AgentsOptions {
  const values = parse(args);
  const cacheHome = env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  return {
    help: values.help,
    only: listOf('--only', SUITE_NAMES, values.only),
    rounds: whole('--rounds', values.rounds, 1),
    scale: oneOf('--scale', ['full', 'small'], values.scale),
    seed: whole('--seed', values.seed, 0),
    cache: path.resolve(values.cache ?? path.join(cacheHome, 'umbra-bench')),
    json: values.json === undefined ? undefined : path.resolve(values.json),
  };
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'] {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new BenchError(`${reasonOf(error)} (see scripts/bench agents --help)`, { cause: error });
  }
}

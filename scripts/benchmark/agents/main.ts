import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, homedir, release, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BenchError, reasonOf } from '../bench-error.js';
import { log } from '../log.js';
import { changed } from './changed.js';
import type { Figures } from './figures.js';
import { many } from './many.js';
import type { Suite } from './suite.js';
import { vm } from './vm.js';
import { wire } from './wire.js';

const SUITES: readonly Suite[] = [vm, changed, wire, many];
const NAMES = SUITES.map(({ name }) => name);

const HELP = `Usage: scripts/bench agents [OPTION]...

Measures backups that agents make over TLS, with real QEMU, libvirt and TLS on this machine. Needs root.

  --only NAME,...     of ${NAMES.join(', ')}:
                      vm       full and incremental backups of a running machine, virtnbdbackup beside it
                      changed  1 % of a disk of 20 GiB, by what QEMU knows of it and by reading all of it
                      wire     how much goes through, beside raw TLS and a backup without an agent
                      many     50 agents at once
  --rounds N          how often everything is measured (default 2); medians are shown
  --scale full|small  small is a quick check
  --seed N            what changes are drawn from (default 1)
  --cache DIR         where the input is kept (default \${XDG_CACHE_HOME:-~/.cache}/umbra-bench)
  --json FILE         write all figures to FILE
  -h, --help          this text
`;

interface Options {
  readonly suites: readonly Suite[];
  readonly rounds: number;
  readonly scale: 'full' | 'small';
  readonly seed: number;
  readonly cache: string;
  readonly json: string | undefined;
}

/** @returns undefined when help is asked for @throws {BenchError} for options that make no sense */
function parse(args: readonly string[]): Options | undefined {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ only: string, rounds: string, scale: string, seed: string, cache: string, json: string },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return undefined;
  const only = values.only?.split(',') ?? NAMES;
  const unknown = only.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw new BenchError(`--only knows ${NAMES.join(', ')}, not "${unknown}"`);
  const cacheHome = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  return {
    suites: SUITES.filter(({ name }) => only.includes(name)),
    rounds: Math.max(1, Number(values.rounds ?? 2)),
    scale: values.scale === 'small' ? 'small' : 'full',
    seed: Number(values.seed ?? 1),
    cache: path.resolve(values.cache ?? path.join(cacheHome, 'umbra-bench')),
    json: values.json,
  };
}

async function main(): Promise<number> {
  const options = parse(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(HELP);
    return 0;
  }
  if (process.getuid?.() !== 0) throw new BenchError('scripts/bench must be run as root');
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      log('interrupted: cleaning up');
      abort.abort();
    });
  }
  // QEMU and its sockets: a short path that every user can enter.
  const work = path.join(tmpdir(), `umbra-bench.${process.pid}`);
  const failures: string[] = [];
  const all: Figures[] = [];
  for (const suite of options.suites) {
    if (abort.signal.aborted) break;
    const directory = path.join(work, suite.name);
    mkdirSync(directory, { recursive: true });
    try {
      all.push(...(await suite.run({ ...options, directory, signal: abort.signal })));
    } catch (error) {
      failures.push(`${suite.name}: ${reasonOf(error)}`);
      log(failures.at(-1) ?? '');
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  report(all, options, failures);
  return failures.length > 0 || abort.signal.aborted ? 1 : 0;
}

function report(all: readonly Figures[], options: Options, failures: readonly string[]): void {
  for (const figures of all) process.stdout.write(`${figures.format()}\n`);
  const cpu = cpus();
  const machine = `${cpu[0]?.model ?? ''}, ${cpu.length} CPUs, Linux ${release()}, Node.js ${process.version}`;
  process.stdout.write(`Medians of ${options.rounds} rounds, scale ${options.scale}. ${machine}.\n`);
  for (const failure of failures) process.stdout.write(`FAILED ${failure.split('\n', 1).join('')}\n`);
  if (options.json === undefined) return;
  writeFileSync(options.json, `${JSON.stringify({ suites: all, machine, failures }, null, 2)}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  log(reasonOf(error));
  process.exitCode = 1;
}

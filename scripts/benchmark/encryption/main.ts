import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BenchError, reasonOf } from '../bench-error.js';
import { untilInterrupted } from '../interrupted.js';
import { peakBytes, processSeconds } from '../agents/process-time.js';
import { log } from '../log.js';
import { run } from '../process.js';
import { median } from '../statistics.js';
import { formatFigure, formatTable } from '../table.js';

const HELP = `scripts/bench encryption [--mib N] [--rounds N] [--json FILE]

What encryption takes: a first backup, a restore and a verification of the same disk in a store that is not encrypted, one with AES-256-GCM
and one with ChaCha20-Poly1305, in turns. The disk holds a tar of /usr, cut to --mib (512). The figures are seconds of the processor that the
server took, which say more on a machine that does other things, seconds, and bytes; medians of --rounds (3).
`;

const KINDS = ['none', 'aes-256-gcm', 'chacha20-poly1305'] as const;
const STEPS = ['backup', 'restore', 'verify'] as const;
const MIB = 1024 * 1024;
const UMBRA = fileURLToPath(new URL('../../../bundle/umbra.js', import.meta.url));

type Kind = (typeof KINDS)[number];
type Figures = Map<string, number[]>;

interface Bench {
  readonly work: string;
  readonly image: string;
  readonly signal: AbortSignal;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      mib: { type: 'string', default: '512' },
      rounds: { type: 'string', default: '3' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [mib, rounds] = [wholeNumber(values.mib, 'mib'), wholeNumber(values.rounds, 'rounds')];
  const work = mkdtempSync(path.join(tmpdir(), 'umbra-bench-'));
  const bench: Bench = { work, image: path.join(work, 'disk.raw'), signal: untilInterrupted() };
  const figures: Record<Kind, Figures> = { none: new Map(), 'aes-256-gcm': new Map(), 'chacha20-poly1305': new Map() };
  try {
    makeImage(bench.image, mib);
    writeFileSync(path.join(work, 'key'), 'k'.repeat(64), { mode: 0o600 });
    for (let round = 0; round < rounds; round++) {
      for (const kind of KINDS) await measure(bench, kind, figures[kind]);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const cpu = cpus();
  const machine = `${cpu[0]?.model ?? ''}, ${cpu.length} CPUs, Linux ${release()}, Node.js ${process.version}`;
  process.stdout.write(`${report(figures)}Medians of ${rounds} rounds, ${mib} MiB. ${machine}.\n`);
  if (values.json !== undefined) {
    const all = Object.fromEntries(KINDS.map((kind) => [kind, Object.fromEntries(figures[kind])]));
    writeFileSync(values.json, `${JSON.stringify({ mib, rounds, machine, figures: all }, null, 2)}\n`);
  }
  return 0;
}

function wholeNumber(text: string, name: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new BenchError(`--${name} must be a whole number above 0`);
}

function makeImage(image: string, mib: number): void {
  log(`making a disk of ${mib} MiB`);
  const command = 'tar -C /usr --sort=name -cf - . 2>/dev/null | head -c "$1" > "$2"';
  execFileSync('sh', ['-c', command, 'sh', String(mib * MIB), image]);
  truncateSync(image, mib * MIB);
}

/** One store of a kind: made, filled, restored from, verified, and deleted. */
async function measure({ work, image, signal }: Bench, kind: Kind, figures: Figures): Promise<void> {
  log(kind);
  const store = path.join(work, 'store');
  const out = path.join(work, 'out');
  const env = { UMBRA_STORE: store, UMBRA_KEY_FILE: path.join(work, 'key'), UMBRA_IDLE_SECONDS: '600' };
  const umbra = (...args: readonly string[]): ReturnType<typeof run> =>
    run(process.execPath, [UMBRA, ...args], { env, signal });
  const add = (name: string, value: number): void => {
    figures.set(name, [...(figures.get(name) ?? []), value]);
  };
  try {
    await umbra('init', ...(kind === 'none' ? [] : ['--encrypt', '--cipher', kind]));
    const commands = { backup: ['m1', image], restore: ['m1', '--to', out], verify: [] } as const;
    for (const step of STEPS) {
      const pid = Number(readFileSync(path.join(store, 'lock'), 'utf8'));
      const before = processSeconds(pid);
      const { seconds } = await umbra(step, ...commands[step]);
      add(`${step}, processor s`, processSeconds(pid) - before);
      add(`${step}, s`, seconds);
    }
    add('memory at most, MB', peakBytes(Number(readFileSync(path.join(store, 'lock'), 'utf8'))) / 1e6);
    execFileSync('cmp', [image, path.join(out, 'vda.raw')]);
    const { stdout } = await umbra('stats', '--json');
    const { storedBytes, uniqueBytes } = JSON.parse(stdout) as { storedBytes: number; uniqueBytes: number };
    add('stored, MB', storedBytes / 1e6);
    add('chunks, MB', uniqueBytes / 1e6);
  } finally {
    await umbra('stop');
    rmSync(store, { recursive: true, force: true });
    rmSync(out, { recursive: true, force: true });
  }
}

function report(figures: Record<Kind, Figures>): string {
  const names = [...figures.none.keys()];
  const rows = names.map((name) => [name, ...KINDS.map((kind) => formatFigure(median(figures[kind].get(name) ?? [])))]);
  return formatTable([['', ...KINDS], ...rows]);
}

try {
  if (!statSync(UMBRA, { throwIfNoEntry: false })) throw new BenchError('Umbra is not built: run scripts/build');
  process.exitCode = await main();
} catch (error) {
  log(reasonOf(error));
  process.exitCode = 1;
}

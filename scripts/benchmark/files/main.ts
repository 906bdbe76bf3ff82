import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, homedir, release } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BenchError, reasonOf } from '../bench-error.js';
import { log } from '../log.js';
import { run } from '../process.js';
import { median } from '../statistics.js';
import { readAheadKiB, unmountAll } from '../system.js';
import { formatFigure, formatTable } from '../table.js';
import { CONTENT, FILES_SCALES, type FilesScale } from './content.js';
import { type FilesInput, provideFiles } from './images.js';
import { BLOCK_BYTES, FIGURES, type Figure, type Figures, measure, type Piece } from './measure.js';
import { backupViewer, kernelViewer, programViewer, umbraViewer, type Viewer } from './viewers.js';

const HELP = `Usage: scripts/bench files [OPTION]...

Measures how fast the files inside volumes can be looked at and read: Umbra's mount beside the kernel, other
projects' programs on the raw image, and restic's and borg's mounts of the same files. Needs root.

  --rounds N            how often everything is measured (default 3); medians are shown
  --scale full|small    100,000 files and 1 GiB, or a tenth of that
  --only NAME,...       figures: ${Object.keys(FIGURES).join(', ')}
  --viewers NAME,...    of umbra, kernel, fuse2fs, grub-mount, guestmount, restic, borg, ntfs-3g, exfat-fuse
  --filesystems NAME,.. of ext4, xfs, ntfs, exfat
  --seed N              what the files are made from (default 1)
  --cache DIR           where the input is kept (default \${XDG_CACHE_HOME:-~/.cache}/umbra-bench)
  --json FILE           write all figures to FILE
  -h, --help            this text
`;

interface Options {
  readonly rounds: number;
  readonly scale: FilesScale;
  readonly only: readonly Figure[];
  readonly viewers: readonly string[] | undefined;
  readonly filesystems: readonly string[] | undefined;
  readonly seed: number;
  readonly cache: string;
  readonly json: string | undefined;
}

/** @throws {BenchError} for options that make no sense */
function parse(args: readonly string[]): Options | undefined {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: string,
      scale: string,
      only: string,
      viewers: string,
      filesystems: string,
      seed: string,
      cache: string,
      json: string,
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return undefined;
  const scale = FILES_SCALES[values.scale === 'small' ? 'small' : 'full'];
  const names = Object.keys(FIGURES) as Figure[];
  const only = values.only?.split(',') ?? names;
  const unknown = only.find((name) => !names.includes(name as Figure));
  if (unknown !== undefined) throw new BenchError(`--only knows ${names.join(', ')}, not "${unknown}"`);
  const cacheHome = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  return {
    rounds: Math.max(1, Number(values.rounds ?? 3)),
    scale,
    only: only as Figure[],
    viewers: values.viewers?.split(','),
    filesystems: values.filesystems?.split(','),
    seed: Number(values.seed ?? 1),
    cache: path.resolve(values.cache ?? path.join(cacheHome, 'umbra-bench')),
    json: values.json,
  };
}

function viewersOf(input: FilesInput, options: Options, signal: AbortSignal): Viewer[] {
  const all = [
    umbraViewer(input, 'ext4'),
    kernelViewer(input, 'ext4'),
    programViewer(input, 'ext4', 'fuse2fs'),
    programViewer(input, 'ext4', 'grub-mount'),
    programViewer(input, 'ext4', 'guestmount'),
    backupViewer(input, 'restic', signal),
    backupViewer(input, 'borg', signal),
    umbraViewer(input, 'xfs'),
    kernelViewer(input, 'xfs'),
    umbraViewer(input, 'ntfs'),
    programViewer(input, 'ntfs', 'ntfs-3g'),
    umbraViewer(input, 'exfat'),
    programViewer(input, 'exfat', 'exfat-fuse'),
  ];
  return all
    .filter(({ name }) => options.viewers?.includes(name) ?? true)
    .filter(({ filesystem }) => options.filesystems?.includes(filesystem) ?? true);
}

/** Where the pieces of the large file, and the block that says where they are, stand in the ext4 image, in the order of the file. */
async function bigPiecesOf(input: FilesInput): Promise<readonly Piece[]> {
  const { stdout } = await run('debugfs', ['-R', `blocks /${CONTENT.big}`, input.images.ext4]);
  const pieces: { offset: number; bytes: number }[] = [];
  for (const block of stdout.trim().split(/\s+/).map(Number)) {
    const last = pieces.at(-1);
    if (last !== undefined && last.offset + last.bytes === block * BLOCK_BYTES) last.bytes += BLOCK_BYTES;
    else pieces.push({ offset: block * BLOCK_BYTES, bytes: BLOCK_BYTES });
  }
  return pieces;
}

type Samples = Map<string, Map<Figure, number[]>>;

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
      abort.abort();
    });
  }
  const workDir = path.join(options.cache, `work.${process.pid}`);
  mkdirSync(workDir, { recursive: true });
  const failures: string[] = [];
  const samples: Samples = new Map();
  try {
    const input = await provideFiles(options.cache, options.scale, options.seed);
    const bigPieces = await bigPiecesOf(input);
    for (const viewer of viewersOf(input, options, abort.signal)) {
      if (abort.signal.aborted) break;
      const dir = path.join(workDir, `${viewer.name}-${viewer.filesystem}`);
      mkdirSync(dir);
      try {
        await rounds(viewer, options, dir, viewer.filesystem === 'ext4' ? bigPieces : [], samples);
      } catch (error) {
        failures.push(`${viewer.name} on ${viewer.filesystem}: ${reasonOf(error)}`);
        log(failures.at(-1) ?? '');
      } finally {
        await viewer.close().catch(() => undefined);
        await unmountAll(dir);
        rmSync(dir, { recursive: true, force: true });
      }
    }
    report(samples, options, failures);
  } finally {
    await unmountAll(workDir);
    rmSync(workDir, { recursive: true, force: true });
  }
  return failures.length > 0 ? 1 : 0;
}

async function rounds(
  viewer: Viewer,
  { rounds: count, scale, seed, only }: Options,
  dir: string,
  bigPieces: readonly Piece[],
  samples: Samples,
): Promise<void> {
  const key = `${viewer.filesystem}: ${viewer.name}`;
  await viewer.prepare(path.join(dir, 'store'));
  for (let round = 0; round < count; round += 1) {
    log(`${key}, round ${round + 1} of ${count}`);
    const figures: Figures = await measure({ viewer, scale, seed, dir, bigPieces, only });
    const known = samples.get(key) ?? new Map<Figure, number[]>();
    samples.set(key, known);
    for (const [figure, value] of Object.entries(figures) as [Figure, number][]) {
      known.set(figure, [...(known.get(figure) ?? []), value]);
    }
  }
}

function report(samples: Samples, options: Options, failures: readonly string[]): void {
  const keys = [...samples.keys()];
  const row = (figure: Figure): string[] => [
    FIGURES[figure],
    ...keys.map((key) => formatFigure(median(samples.get(key)?.get(figure) ?? []))),
  ];
  const figures = (Object.keys(FIGURES) as Figure[]).filter((figure) => options.only.includes(figure));
  process.stdout.write(formatTable([['figure', ...keys], ...figures.map(row)]));
  const cpu = cpus();
  process.stdout.write(
    `Medians of ${options.rounds} rounds, scale ${options.scale.name}. ${cpu[0]?.model ?? ''}, ${cpu.length} CPUs, ` +
      `disk reads ahead ${readAheadKiB(options.cache) ?? '?'} KiB, Linux ${release()}, Node.js ${process.version}.\n`,
  );
  for (const failure of failures) process.stdout.write(`FAILED ${failure.split('\n', 1).join('')}\n`);
  if (options.json === undefined) return;
  const figuresOf = Object.fromEntries([...samples].map(([key, values]) => [key, Object.fromEntries(values)]));
  writeFileSync(options.json, `${JSON.stringify({ figures: figuresOf, failures }, null, 2)}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  log(reasonOf(error));
  process.exitCode = 1;
}

import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BenchError } from '../bench-error.js';
import { log } from '../log.js';
import { run } from '../process.js';
import { SeededRandom } from '../random.js';
import type { ReaderResult } from '../random-reader.js';
import { dropCaches } from '../system.js';
import { CONTENT, type FilesScale } from './content.js';
import type { Viewer } from './viewers.js';

/** What is measured of each viewer, in the order of the table. */
export const FIGURES = {
  mount: 'mount, s',
  first: 'first listing, ms',
  firstLater: 'first listing when others were seen before, ms',
  guest: 'find and read of the guest files, from nothing, s',
  guestNext: 'the same of a shadow copy nobody looked into, s',
  findCold: 'find + stat, cold, 1/s',
  findWarm: 'find + stat, warm, 1/s',
  statInProcess: 'list + stat, cold, without a mount, 1/s of processor time',
  tarCold: 'tar of small files, cold, files/s',
  tarWarm: 'tar of small files, warm, files/s',
  readCold: 'large file in order, cold, MB/s',
  readWarm: 'large file in order, warm, MB/s',
  rawCold: 'the same bytes of the raw volume, cold, MB/s',
  randomCold: 'random 4 KiB of it, cold, 1/s',
} as const;
export type Figure = keyof typeof FIGURES;
export type Figures = Partial<Record<Figure, number>>;

/** Contiguous bytes of an image. */
export interface Piece {
  readonly offset: number;
  readonly bytes: number;
}

export interface MeasureOptions {
  readonly viewer: Viewer;
  readonly scale: FilesScale;
  readonly seed: number;
  /** An existing directory of its own. */
  readonly dir: string;
  /** The pieces of the large file in the image, in the order of the file; none if they are not known. */
  readonly bigPieces: readonly Piece[];
  readonly only: readonly Figure[];
}

const MB = 1e6;
const RANDOM_READ_SECONDS = 10;
const READER = path.resolve(import.meta.dirname, '../random-reader.js');
export const BLOCK_BYTES = 4096;

/** All figures of one viewer. Each cold one begins with an unmounted viewer and dropped caches. */
export async function measure(options: MeasureOptions): Promise<Figures> {
  const { viewer, dir } = options;
  const figures: Figures = {};
  const mountPoint = path.join(dir, 'mnt');
  mkdirSync(mountPoint);
  for (const step of STEPS) {
    if (!step.gives.some((figure) => options.only.includes(figure))) continue;
    await dropCaches();
    const start = performance.now();
    const files = await viewer.mount(mountPoint);
    const mounted = { ...options, files, mountPoint, mountSeconds: (performance.now() - start) / 1000 };
    try {
      Object.assign(figures, await step.run(mounted));
      log(`  ${viewer.name} on ${viewer.filesystem}: ${JSON.stringify(figures)}`);
    } finally {
      await viewer.unmount(mountPoint);
    }
  }
  rmSync(mountPoint, { recursive: true });
  return figures;
}

interface Mounted extends MeasureOptions {
  readonly files: string;
  readonly mountPoint: string;
  readonly mountSeconds: number;
}

interface Step {
  readonly gives: readonly Figure[];
  readonly run: (mounted: Mounted) => Promise<Figures>;
}

const STEPS: readonly Step[] = [
  { gives: ['mount', 'first'], run: firstListing },
  { gives: ['firstLater'], run: firstListingLater },
  { gives: ['guest', 'guestNext'], run: guestFiles },
  { gives: ['guestNext'], run: nextGuestFiles },
  { gives: ['findCold', 'findWarm'], run: findAll },
  { gives: ['statInProcess'], run: statInProcess },
  { gives: ['tarCold', 'tarWarm'], run: tarSmall },
  { gives: ['readCold', 'readWarm'], run: readBig },
  { gives: ['rawCold'], run: readRaw },
  { gives: ['randomCold'], run: readRandomly },
];

async function firstListing({ files, mountSeconds }: Mounted): Promise<Figures> {
  return { mount: mountSeconds, first: await listingMs(files) };
}

async function firstListingLater({ viewer, mountPoint, files }: Mounted): Promise<Figures> {
  if (viewer.lookElsewhere === undefined) return {};
  await viewer.lookElsewhere(mountPoint);
  await dropCaches();
  return { firstLater: await listingMs(files) };
}

async function listingMs(files: string): Promise<number> {
  // The program itself was thrown out of the cache as well; that is not what is measured.
  await run('ls', ['/']);
  return (await run('ls', [files])).seconds * 1000;
}

/** What guestmount is compared in: mounting and everything behind it. */
async function guestFiles({ viewer, files, mountSeconds }: Mounted): Promise<Figures> {
  const guest = mountSeconds + (await readGuestFiles(files));
  // Each shadow copy takes a mount of its own, but where there is one for all.
  return viewer.readElsewhere === undefined ? { guest, guestNext: guest } : { guest };
}

async function nextGuestFiles({ viewer, mountPoint, files }: Mounted): Promise<Figures> {
  if (viewer.readElsewhere === undefined) return {};
  await viewer.readElsewhere(mountPoint);
  await dropCaches();
  return { guestNext: await readGuestFiles(files) };
}

async function readGuestFiles(files: string): Promise<number> {
  // GNU tar reads nothing when it writes to /dev/null itself.
  return (await shell(`tar -cf - ${CONTENT.guest} | cat >/dev/null`, files)).seconds;
}

async function findAll({ files, scale }: Mounted): Promise<Figures> {
  const once = async (): Promise<number> => {
    const { stdout, seconds } = await shell(`find ${CONTENT.many} -printf '%s %T@ %i\\n' | wc -l`, files);
    if (Number(stdout) < scale.manyFiles)
      throw new BenchError(`find found ${stdout.trim()} of ${scale.manyFiles} files`);
    return Number(stdout) / seconds;
  };
  return { findCold: await once(), findWarm: await once() };
}

async function statInProcess({ viewer, scale }: Mounted): Promise<Figures> {
  const rate = await viewer.statInProcess?.(CONTENT.many);
  if (rate === undefined) return {};
  if (rate.files < scale.manyFiles) throw new BenchError(`found ${rate.files} of ${scale.manyFiles} files`);
  return { statInProcess: rate.files / rate.cpuSeconds };
}

async function tarSmall({ files, scale }: Mounted): Promise<Figures> {
  const once = async (): Promise<number> =>
    scale.smallFiles / (await shell(`tar -cf - ${CONTENT.small} | cat >/dev/null`, files)).seconds;
  return { tarCold: await once(), tarWarm: await once() };
}

async function readBig({ files, scale }: Mounted): Promise<Figures> {
  const args = [`if=${path.join(files, CONTENT.big)}`, 'of=/dev/null', 'bs=1M', 'status=none'];
  const once = async (): Promise<number> => scale.bigBytes / MB / (await run('dd', args)).seconds;
  return { readCold: await once(), readWarm: await once() };
}

async function readRaw({ viewer, mountPoint, bigPieces, scale }: Mounted): Promise<Figures> {
  const volume = viewer.rawVolume(mountPoint);
  if (volume === undefined || bigPieces.length === 0) return {};
  const reads = bigPieces.map(
    ({ offset, bytes }) =>
      `dd of=/dev/null bs=1M status=none skip=${offset} count=${bytes} iflag=skip_bytes,count_bytes <"$volume"`,
  );
  const { seconds } = await run('bash', ['-ec', ['volume=$1', ...reads].join('\n'), 'bash', volume]);
  return { rawCold: scale.bigBytes / MB / seconds };
}

async function readRandomly({ files, scale, seed, dir }: Mounted): Promise<Figures> {
  const random = new SeededRandom(seed);
  const file = path.join(files, CONTENT.big);
  const blocks = Math.floor(statSync(file).size / BLOCK_BYTES);
  const offsets = Array.from({ length: scale.randomReads }, () => random.below(blocks) * BLOCK_BYTES);
  const list = path.join(dir, 'offsets.json');
  writeFileSync(list, JSON.stringify(offsets));
  const { stdout } = await run(process.execPath, [READER, file, list, String(RANDOM_READ_SECONDS)]);
  const { reads, seconds } = JSON.parse(stdout) as ReaderResult;
  return { randomCold: reads / seconds };
}

function shell(command: string, cwd: string): ReturnType<typeof run> {
  return run('bash', ['-o', 'pipefail', '-c', command], { cwd });
}

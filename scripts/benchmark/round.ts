import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { BenchError } from './bench-error.js';
import type { BackupOptions, Contender, Version } from './contender.js';
import { copyInPlace, dataOffsets } from './images.js';
import type { Input } from './input.js';
import { log } from './log.js';
import { run } from './process.js';
import { SeededRandom } from './random.js';
import { readBlocks, type ReaderResult, VERIFIED } from './random-reader.js';
import type { Scale } from './scale.js';
import type { RowName, ScenarioName } from './scenarios.js';
import { diskBytes, dropCaches } from './system.js';
import { formatFigure } from './table.js';

export interface RoundContext {
  readonly contender: Contender;
  readonly input: Input;
  readonly scale: Scale;
  readonly seed: number;
  /** An existing directory on the same disk as the store. */
  readonly dir: string;
  readonly wanted: (...scenarios: ScenarioName[]) => boolean;
  readonly record: (row: RowName, value: number) => void;
}

const MB = 1e6;
const RANDOM_READ_SECONDS = 10;
const READER = path.join(import.meta.dirname, 'random-reader.js');

/** All scenarios of one contender on two machines and a fresh store, but for {@link forgetOneOfMany}. */
export async function runRound(context: RoundContext): Promise<void> {
  const { contender, wanted, record } = context;
  await contender.init();
  const first = await makeBackups(context);
  if (wanted('disk')) record('disk', diskBytes(contender.storeDir) / MB);
  if (wanted('amplification')) await measureAmplification(context);
  if (wanted('read')) await readVolume(context, first);
  if (wanted('random')) await readRandomly(context, first);
  if (wanted('restore')) await restoreVolume(context, first);
  if (wanted('memory')) record('memory', contender.watch.takePeakBytes() / MB);
}

/** The backups, each only when something that is wanted depends on it; returns the first one's version. */
async function makeBackups(context: RoundContext): Promise<Version> {
  const { contender, input, dir, wanted } = context;
  const image = path.join(dir, 'vm.img');
  copyInPlace(input.images.a, image);
  const machine = (row: RowName, options: BackupOptions = {}): Promise<Version> =>
    timedBackup(context, row, 'vm', image, options);
  const needed = (...scenarios: ScenarioName[]): boolean => wanted(...scenarios, 'disk', 'memory', 'amplification');
  await contender.version();
  const first = await machine('first');
  if (needed('unchanged')) await machine('unchanged');
  if (needed('reread')) await machine('reread', { reread: true });
  if (needed('changed')) {
    copyInPlace(input.images.a2, image);
    await machine('changed');
  }
  if (needed('second')) await timedBackup(context, 'second', 'other', input.images.b, {});
  return first;
}

async function timedBackup(
  context: RoundContext,
  row: RowName,
  machine: string,
  image: string,
  options: BackupOptions,
): Promise<Version> {
  const { contender, dir, record } = context;
  // borg never trusts its memory of the newest file of a backup: a newer one lets it skip the image.
  const config = path.join(dir, `${machine}.conf`);
  writeFileSync(config, `<domain><name>${machine}</name><time>${Date.now()}</time></domain>\n`);
  await run('dd', [`if=${image}`, 'of=/dev/null', 'bs=4M', 'status=none']);
  await run('sync', []);
  const { version, seconds } = await contender.backup(machine, image, { ...options, config });
  log(`  ${contender.name}: ${row} ${formatFigure(seconds)} s`);
  record(row, seconds);
  return version;
}

async function measureAmplification(context: RoundContext): Promise<void> {
  const { contender, record } = context;
  const reported = await contender.reportedAmplification();
  if (reported !== undefined) record('reported', reported);
  record('written', contender.watch.writtenBytes() / diskBytes(contender.storeDir));
}

/** Mounts on cold caches, lets `use` read, and unmounts. */
async function withMount(
  context: RoundContext,
  version: Version,
  use: (file: string, mountSeconds: number) => Promise<void>,
): Promise<void> {
  const { contender, dir } = context;
  const mountPoint = path.join(dir, 'mnt');
  mkdirSync(mountPoint);
  await dropCaches();
  await contender.version();
  const start = performance.now();
  const file = await contender.mount(version, mountPoint);
  try {
    await use(file, (performance.now() - start) / 1000);
  } finally {
    await contender.unmount(mountPoint);
  }
  rmSync(mountPoint, { recursive: true });
}

async function readVolume(context: RoundContext, version: Version): Promise<void> {
  const { contender, input, record } = context;
  await withMount(context, version, async (file, mountSeconds) => {
    record('mount', mountSeconds);
    const { seconds } = await run('dd', [`if=${file}`, 'of=/dev/null', 'bs=1M', 'status=none']);
    log(`  ${contender.name}: read ${formatFigure(input.imageBytes / MB / seconds)} MB/s`);
    record('read', input.imageBytes / MB / seconds);
  });
}

async function readRandomly(context: RoundContext, version: Version): Promise<void> {
  const { contender, input, dir, scale, seed, record } = context;
  const offsets = dataOffsets(input.images.a, scale.randomReads, new SeededRandom(seed));
  const expected = readBlocks(input.images.a, offsets.slice(0, VERIFIED), Infinity);
  const offsetsFile = path.join(dir, 'offsets.json');
  writeFileSync(offsetsFile, JSON.stringify(offsets));
  await withMount(context, version, async (file) => {
    const args = [READER, file, offsetsFile, String(RANDOM_READ_SECONDS)];
    const result = JSON.parse((await run(process.execPath, args)).stdout) as ReaderResult;
    if (result.sha256 !== expected.sha256) throw new BenchError(`${contender.name}: the mount shows wrong bytes`);
    log(`  ${contender.name}: random ${formatFigure(result.reads / result.seconds)} reads/s`);
    record('random', result.reads / result.seconds);
  });
}

async function restoreVolume(context: RoundContext, version: Version): Promise<void> {
  const { contender, input, record } = context;
  await dropCaches();
  await contender.version();
  const seconds = await restoreAndCompare(context, version, input.images.a);
  log(`  ${contender.name}: restore ${formatFigure(seconds)} s`);
  record('restore', seconds);
}

/**
 * Restores a version, compares it with what it must be, and removes it; returns the seconds of the restore.
 *
 * @throws {BenchError} when it differs
 */
export async function restoreAndCompare(context: RoundContext, version: Version, original: string): Promise<number> {
  const target = path.join(context.dir, 'restored');
  mkdirSync(target);
  const { file, seconds } = await context.contender.restore(version, target);
  await run('cmp', [original, file]);
  rmSync(target, { recursive: true });
  return seconds;
}

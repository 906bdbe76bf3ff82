import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../random.js';

export interface FatImageOptions {
  readonly kind: 12 | 16 | 32;
  readonly sizeBytes: number;
  readonly sectorBytes?: number;
  readonly clusterSectors?: number;
  /** Further options of mkfs.vfat. */
  readonly options?: readonly string[];
}

/** What mtools needs to take names as UTF-8 and images as they are. */
const ENVIRONMENT = { ...process.env, LC_ALL: 'C.UTF-8', MTOOLS_SKIP_CHECK: '1', MTOOLSRC: '/dev/null' };

/** A new FAT file system in the file `image`. */
export function makeFatImage(image: string, options: FatImageOptions): void {
  const { kind, sizeBytes, sectorBytes = 512, clusterSectors, options: more = [] } = options;
  writeFileSync(image, '');
  truncateSync(image, sizeBytes);
  const cluster = clusterSectors === undefined ? [] : ['-s', String(clusterSectors)];
  const formatOptions = ['-F', String(kind), '-S', String(sectorBytes), ...cluster, '-i', '1234ABCD', ...more];
  execFileSync('mkfs.vfat', [...formatOptions, image], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Run one of the mtools on an image. */
export function mtool(program: string, image: string, ...options: readonly string[]): string {
  return execFileSync(program, ['-i', image, ...options], {
    encoding: 'utf8',
    env: ENVIRONMENT,
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Every path on an image as `mdir` knows it, without a slash at the end. */
export function mtoolsPaths(image: string): string[] {
  const lines = mtool('mdir', image, '-/', '-b', '-a', '::').split('\n');
  return lines.filter((line) => line !== '').map((line) => line.replace(/^::/, '').replace(/\/$/, ''));
}

/** Copy what is in `directory` to the top of an image, with its times. */
export function copyOntoFat(image: string, directory: string, names: readonly string[]): void {
  mtool('mcopy', image, '-s', '-p', '-m', '-Q', ...names.map((name) => join(directory, name)), '::/');
}

/** What `fsck.vfat` says of an image without a change: fails where it finds something. */
export function checkFat(image: string): string {
  return execFileSync('fsck.vfat', ['-n', '-v', image], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Names that need long names, some of them at their limits. */
export const LONG_NAMES = [
  'a long name with blanks.txt',
  'MiXeD.CaSe',
  'Übung macht den Meister.doc',
  '日本語のファイル名.txt',
  '.hidden',
  'two.dots.in it',
  'thirteen char',
  'twenty-six characters long',
  'plus+equals=comma,semicolon;[x]',
  `${'n'.repeat(251)}.end`,
] as const;

/** Names in 8.3 form, in every case that Windows NT's flags can say. */
export const SHORT_NAMES = ['PLAIN.TXT', 'small.txt', 'BASE.low', 'lower.EXT', 'NOEXT', 'a', '12345678.123'] as const;

/** A directory tree with files of the sizes around a cluster's, and directories that need more than one cluster. */
export function makeTree(directory: string, random: Random, clusterBytes: number): string[] {
  const tops = ['names', 'sizes', 'many', 'deep'];
  for (const name of tops) mkdirSync(join(directory, name), { recursive: true });
  for (const name of [...LONG_NAMES, ...SHORT_NAMES]) writeFileSync(join(directory, 'names', name), random.bytes(20));
  const sizes = [0, 1, clusterBytes - 1, clusterBytes, clusterBytes + 1, 3 * clusterBytes, 70_000, 300_000];
  for (const [index, size] of sizes.entries()) {
    writeFileSync(join(directory, 'sizes', `file ${index} of ${size}.bin`), random.bytes(size));
  }
  for (let index = 0; index < 150; index++) {
    writeFileSync(join(directory, 'many', `one of many files ${index}.txt`), `${index}\n`);
  }
  mkdirSync(join(directory, ...DEEP), { recursive: true });
  writeFileSync(join(directory, ...DEEP, 'bottom'), 'reached');
  setTimes(directory);
  return tops;
}

const DEEP = ['deep', ...Array.from({ length: 12 }, (_, index) => `level ${index}`)] as const;

/** Times in winter and in summer, even and odd seconds. */
function setTimes(directory: string): void {
  utimesSync(join(directory, 'names', 'PLAIN.TXT'), 1_700_000_000, new Date(2024, 0, 15, 12, 30, 44));
  utimesSync(join(directory, 'names', 'small.txt'), 1_700_000_000, new Date(2024, 6, 15, 12, 30, 44));
  utimesSync(join(directory, 'names', 'NOEXT'), 1_700_000_000, new Date(2037, 11, 31, 23, 59, 58));
  utimesSync(join(directory, 'names', 'a'), 1_700_000_000, new Date(1980, 0, 1, 0, 0, 0));
}

/** All of a file in memory. */
export function imageBytes(image: string): Buffer {
  return readFileSync(image);
}

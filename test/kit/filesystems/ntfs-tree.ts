import { closeSync, ftruncateSync, linkSync, mkdirSync, openSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../random.js';

/** Names that a reader may get wrong: other scripts, surrogate pairs, what differs in case alone, all 255 units. */
export const ODD_NAMES = [
  'Grüße.txt',
  'GRÜSSE.TXT',
  'ÿ and Ÿ',
  '日本語のファイル',
  '🙂 surrogate pair',
  'back\\slash',
  'a\\x41b',
  'trailing dot.',
  ' leading space',
  'n'.repeat(255),
  'ж'.repeat(120),
] as const;

/** Files and directories of many kinds in a mounted volume. */
export function fillTree(directory: string, random: Random): void {
  const at = (...names: string[]): string => join(directory, ...names);
  mkdirSync(at('deep', 'er', 'still'), { recursive: true });
  writeFileSync(at('deep', 'er', 'still', 'file'), 'deep');
  for (const size of [0, 1, 511, 512, 700, 701, 1000, 4096, 5000, 65_536, 300_001]) {
    writeFileSync(at(`size-${size}`), random.bytes(size));
  }
  utimesSync(at('size-1'), 1_000_000_000.25, 1_200_000_000.5);
  linkSync(at('size-5000'), at('deep', 'link'));
  linkSync(at('size-5000'), at('deep', 'er', 'link too'));
  fillNames(directory, 'odd', ODD_NAMES);
  fillNames(directory, 'case', ['a', 'A', 'b', 'aB', 'Ab', 'AB', 'ab']);
  makeSparse(at('sparse'), random);
  makeFragmented(directory, random);
}

/** A directory with a small file of each name. */
export function fillNames(directory: string, name: string, names: readonly string[]): void {
  mkdirSync(join(directory, name));
  for (const [index, child] of names.entries()) writeFileSync(join(directory, name, child), `${index}`);
}

/** A file with holes at its beginning, in it, and at its end. */
function makeSparse(path: string, random: Random): void {
  const fd = openSync(path, 'wx');
  writeSync(fd, random.bytes(10_000), 0, 10_000, 200_000);
  writeSync(fd, random.bytes(70_000), 0, 70_000, 1_000_000);
  ftruncateSync(fd, 3_000_000);
  closeSync(fd);
}

/** Two files that grow in turns, so that both are in many pieces. */
function makeFragmented(directory: string, random: Random): void {
  const fds = ['fragmented-1', 'fragmented-2'].map((name) => openSync(join(directory, name), 'wx'));
  for (let turn = 0; turn < 120; turn++) {
    for (const fd of fds) {
      writeSync(fd, random.bytes(random.between(1, 12_000)));
    }
  }
  for (const fd of fds) closeSync(fd);
}

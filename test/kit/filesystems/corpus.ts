import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import type { Test } from 'tap';

/** The folder of disk images that others made; undefined where `UMBRA_CORPUS` is not set. */
export const CORPUS = process.env['UMBRA_CORPUS'];

/**
 * A test on images of the corpus. Without the corpus it says that it was not run, which is no failure: the corpus is
 * no part of the project.
 */
export function corpusTest(t: Test, name: string, work: (t: Test, corpus: string) => Promise<void>): void {
  const corpus = CORPUS;
  if (corpus === undefined || !existsSync(corpus)) {
    t.comment(`not run, UMBRA_CORPUS is not set: ${name}`);
    return;
  }
  void t.test(name, async (t) => {
    await work(t, corpus);
  });
}

const UNPACK: Readonly<Record<string, readonly string[]>> = {
  gz: ['gzip', '-dc'],
  bz2: ['bzip2', '-dc'],
  xz: ['xz', '-dc'],
  zst: ['zstd', '-dc'],
  xxd: ['xxd', '-r'],
};

/** An image of the corpus, unpacked. */
export function corpusImage(corpus: string, path: string): Buffer {
  const file = join(corpus, path);
  const [program, ...options] = UNPACK[path.slice(path.lastIndexOf('.') + 1)] ?? [];
  if (program === undefined) return readFileSync(file);
  return execFileSync(program, [...options, file], { maxBuffer: 2 ** 31 - 1, stdio: ['ignore', 'pipe', 'ignore'] });
}

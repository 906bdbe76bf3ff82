import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Roots } from './debian-roots.js';
import { run } from './process.js';
import type { SeededRandom } from './random.js';

const MIB = 1024 * 1024;

interface FoundFile {
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * Makes small roots below `dir` from this machine's own /usr: two that have most files in common, and
 * some files that neither has.
 */
export async function makeUsrRoots(dir: string, random: SeededRandom): Promise<Roots> {
  const roots = { a: path.join(dir, 'a'), b: path.join(dir, 'b'), additions: path.join(dir, 'more') };
  const files = shuffled(await usableFiles(), random);
  const notInA = copySome(files, roots.a, 80 * MIB);
  copySome(files, roots.b, 60 * MIB);
  const inNeither = copySome(notInA, roots.b, 40 * MIB);
  copySome(inNeither, roots.additions, 10 * MIB);
  return roots;
}

async function usableFiles(): Promise<FoundFile[]> {
  const what = ['-type', 'f', '-size', '+0', '-size', '-4096k', '-printf', '%s %p\\0'];
  const { stdout } = await run('find', ['/usr/bin', '/usr/lib', '/usr/share', '-xdev', ...what]);
  const lines = stdout.split('\0').filter((line) => line !== '');
  return lines.sort().map((line) => {
    const space = line.indexOf(' ');
    return { path: line.slice(space + 1), sizeBytes: Number(line.slice(0, space)) };
  });
}

function shuffled(files: readonly FoundFile[], random: SeededRandom): FoundFile[] {
  const keyed = files.map((file) => ({ file, key: random.next() }));
  return keyed.sort((one, other) => one.key - other.key).map(({ file }) => file);
}

/** Copies the first files that together have `bytes`; returns the others. */
function copySome(files: readonly FoundFile[], target: string, bytes: number): FoundFile[] {
  let copied = 0;
  let count = 0;
  for (const file of files) {
    if (copied >= bytes) break;
    const to = path.join(target, file.path);
    mkdirSync(path.dirname(to), { recursive: true });
    cpSync(file.path, to);
    copied += file.sizeBytes;
    count += 1;
  }
  return files.slice(count);
}

import { execFileSync } from 'node:child_process';

/** How much of a file the kernel has in its page cache, as util-linux's fincore says. */
export function cachedBytes(path: string): number {
  const options = ['--bytes', '--noheadings', '--output', 'RES', path];
  return Number(execFileSync('fincore', options, { encoding: 'utf8' }));
}

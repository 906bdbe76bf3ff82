import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** A file system that the kernel has mounted from an image. */
export interface LoopMount {
  readonly directory: string;
  /** Idempotent; happens when the test ends, too. */
  unmount(): void;
}

/**
 * Mount an image by loop. Needs root. Images from others may only be mounted read-only, as copies, and never where a
 * corrupt one could hang the kernel.
 */
export function loopMount(t: Test, image: string, options: readonly string[] = [], type?: string): LoopMount {
  const directory = mkdtempSync(join(tmpdir(), 'umbra-loop-'));
  const arguments_ = ['-o', ['loop', ...options].join(','), ...(type === undefined ? [] : ['-t', type])];
  try {
    execFileSync('mount', [...arguments_, image, directory], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    rmdirSync(directory);
    throw error;
  }
  let mounted = true;
  const unmount = (): void => {
    if (!mounted) return;
    mounted = false;
    execFileSync('umount', [directory]);
    rmdirSync(directory);
  };
  t.teardown(unmount);
  return { directory, unmount };
}

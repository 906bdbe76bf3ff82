import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { systemCode } from '../../src/common/errors.js';

/** A file system of its own, small enough to be filled. */
export interface SmallDisk {
  readonly directory: string;
  /** Leave no more than about `leftBytes` free. */
  fill(leftBytes: number): void;
  /** Take back what {@link fill} did. */
  release(): void;
}

/** Mount a tmpfs of `bytes`, until the test ends. Needs root. */
export function smallDisk(t: Test, bytes: number): SmallDisk {
  const directory = mkdtempSync(join(tmpdir(), 'umbra-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', directory]);
  t.teardown(() => {
    execFileSync('umount', ['--lazy', directory]);
    rmdirSync(directory);
  });
  const filler = join(directory, 'filler');
  return {
    directory,
    fill: (leftBytes) => {
      fillUp(filler);
      truncateSync(filler, statSync(filler).size - leftBytes);
    },
    release: () => {
      unlinkIfThere(filler);
    },
  };
}

function fillUp(path: string): void {
  const block = Buffer.alloc(64 * 1024, 1);
  for (const size of [block.length, 4096]) {
    try {
      for (;;) writeFileSync(path, block.subarray(0, size), { flag: 'a' });
    } catch (error) {
      if (systemCode(error) !== 'ENOSPC') throw error;
    }
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, statfsSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemCode } from '../../src/common/errors.js';
import type { Teardown } from './umbra-program.js';

/** A file system of its own, small enough to be filled. */
export interface SmallDisk {
  readonly directory: string;
  /** Leave no more than about `leftBytes` free. */
  fill(leftBytes: number): void;
  /** Take back what {@link fill} did. */
  release(): void;
}

/** Mount a tmpfs of `bytes`, until the test ends. Needs root. @param files so many files and directories at most */
export function smallDisk(t: Teardown, bytes: number, files?: number): SmallDisk {
  const directory = mkdtempSync(join(tmpdir(), 'umbra-disk-'));
  const most = files === undefined ? '' : `,nr_inodes=${files}`;
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}${most}`, 'tmpfs', directory]);
  return mounted(t, directory, () => undefined);
}

/** Mount an ext4 of `bytes`, until the test ends; it takes only what is written to it. Needs root. */
export function ext4Disk(t: Teardown, bytes: number): SmallDisk {
  const directory = mkdtempSync(join(tmpdir(), 'umbra-disk-'));
  const image = `${directory}.ext4`;
  writeFileSync(image, '');
  truncateSync(image, bytes);
  // Without blocks that only root may use: tests run as root.
  execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
  execFileSync('mount', ['-o', 'loop', image, directory]);
  return mounted(t, directory, () => {
    rmSync(image);
  });
}

function mounted(t: Teardown, directory: string, forget: () => void): SmallDisk {
  t.teardown(() => {
    execFileSync('umount', ['--lazy', directory]);
    rmdirSync(directory);
    forget();
  });
  const filler = join(directory, 'filler');
  return {
    directory,
    fill: (leftBytes) => {
      // When the test has ended it would fill the disk of this machine.
      if (statSync(directory).dev === statSync(join(directory, '..')).dev)
        throw new Error(`${directory} is not mounted`);
      reserve(filler);
      fillUp(filler);
      truncateSync(filler, statSync(filler).size - leftBytes);
    },
    release: () => {
      unlinkIfThere(filler);
    },
  };
}

/** Take most of what is free, without writing it. */
function reserve(filler: string): void {
  for (const share of [0.99, 0.8, 0.5]) {
    const { bavail, bsize } = statfsSync(join(filler, '..'));
    const bytes = Math.floor(bavail * bsize * share);
    // It fails where somebody else, LevelDB's compaction for one, took room meanwhile.
    if (bytes === 0 || spawnSync('fallocate', ['--length', String(bytes), filler]).status === 0) return;
  }
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

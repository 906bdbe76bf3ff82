import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

export interface ExfatImageOptions {
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly sectorBytes?: number;
  readonly label?: string;
}

const UTF8 = { ...process.env, LC_ALL: 'C.UTF-8' };

/** A new exFAT file system in the file `image`. Needs root. */
export function makeExfatImage(image: string, options: ExfatImageOptions): void {
  const { sizeBytes, clusterBytes, sectorBytes = 512, label } = options;
  writeFileSync(image, '');
  truncateSync(image, sizeBytes);
  const device = attach(image, sectorBytes);
  const labelOptions = label === undefined ? [] : ['-L', label];
  try {
    execFileSync('mkfs.exfat', ['-c', String(clusterBytes), ...labelOptions, device], { env: UTF8, stdio: 'pipe' });
  } finally {
    execFileSync('losetup', ['--detach', device]);
  }
}

function attach(image: string, sectorBytes: number): string {
  const options = ['--find', '--show', '--sector-size', String(sectorBytes), image];
  return execFileSync('losetup', options, { encoding: 'utf8' }).trim();
}

/** A file system that exfat-fuse has mounted from an image. Needs root. */
export interface ExfatMount {
  readonly directory: string;
  /** Idempotent; happens when the test ends, too. */
  unmount(): void;
}

/** Mount an image with exfat-fuse. */
export function exfatMount(t: Test, image: string, sectorBytes = 512, options: readonly string[] = []): ExfatMount {
  const device = attach(image, sectorBytes);
  const directory = mkdtempSync(join(tmpdir(), 'umbra-exfat-'));
  let mounted = true;
  const unmount = (): void => {
    if (!mounted) return;
    mounted = false;
    execFileSync('umount', [directory], { stdio: 'pipe' });
    execFileSync('losetup', ['--detach', device]);
    rmdirSync(directory);
  };
  const all = ['umask=0022', ...options].join(',');
  execFileSync('mount.exfat-fuse', ['-o', all, device, directory], { stdio: 'pipe' });
  t.teardown(unmount);
  return { directory, unmount };
}

/** `fsck.exfat` finds nothing; fails otherwise. */
export function checkExfat(image: string): string {
  return execFileSync('fsck.exfat', ['-n', image], { encoding: 'utf8', stdio: 'pipe' });
}

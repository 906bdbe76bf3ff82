import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { BlockCache } from '../../../mount/blocks/block-cache.js';
import { WindowSource } from '../../../mount/blocks/byte-source.js';
import type { Filesystem } from '../../../mount/filesystems/filesystem.js';
import { ntfsDriver } from '../../../mount/filesystems/ntfs/driver.js';
import type { LoopMount } from './loop-mount.js';
import type { Manifest } from './manifest.js';
import { fileSource } from './sources.js';

const MIB = 1024 * 1024;

export interface NtfsImageOptions {
  readonly sizeMib?: number;
  readonly clusterBytes?: number;
  readonly sectorBytes?: number;
  readonly label?: string;
}

/** Make an empty NTFS volume with mkntfs. */
export function makeNtfs(image: string, options: NtfsImageOptions = {}): void {
  const { sizeMib = 24, clusterBytes = 4096, sectorBytes = 512, label = 'Größe' } = options;
  const fd = openSync(image, 'wx');
  ftruncateSync(fd, sizeMib * MIB);
  closeSync(fd);
  const sizes = ['-c', String(clusterBytes), '-s', String(sectorBytes)];
  execFileSync('mkntfs', ['-F', '-Q', '-q', ...sizes, '-L', label, '-p', '0', '-H', '0', '-S', '0', image], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
}

/** Mount a volume with ntfs-3g; unmounted when the test ends, at the latest. */
export function mountNtfs3g(t: Test, image: string, options: readonly string[] = []): LoopMount {
  const directory = mkdtempSync(join(tmpdir(), 'umbra-ntfs3g-'));
  execFileSync('ntfs-3g', [image, directory, '-o', ['streams_interface=xattr', ...options].join(',')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
  let mounted = true;
  const unmount = (): void => {
    if (!mounted) return;
    mounted = false;
    // It returns when the program has written all it has.
    execFileSync('umount', [directory]);
    rmdirSync(directory);
  };
  t.teardown(unmount);
  return { directory, unmount };
}

/** Open a volume with the reader under test; it may be a part of a disk. */
export async function openNtfs(
  t: Test,
  image: string,
  part: { readonly offset: number; readonly sizeBytes: number } = { offset: 0, sizeBytes: Infinity },
): Promise<Filesystem> {
  const source = new WindowSource(fileSource(t, image), part.offset, part.sizeBytes);
  return await ntfsDriver.open({ source, cache: new BlockCache(8 * MIB) });
}

/** What ntfs-3g shows, and nothing that a reader adds for Samba, or shows otherwise on purpose. */
export function withoutSamba(manifest: Manifest): Manifest {
  for (const entry of manifest.values()) {
    const kept = Object.entries(entry.xattrs ?? {}).filter(
      ([key]) => key.startsWith('user.') && key !== 'user.DOSATTRIB',
    );
    entry.xattrs = Object.fromEntries(kept);
  }
  return manifest;
}

import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  openSync,
  closeSync,
  readFileSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  constants,
} from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { BlockCache } from '../../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../../mount/blocks/byte-source.js';
import type { FileId, Filesystem } from '../../../mount/filesystems/filesystem.js';
import { xfsDriver } from '../../../mount/filesystems/xfs/driver.js';
import { temporaryDirectory } from '../temporary.js';
import { loopMount } from './loop-mount.js';
import { directoryManifest, filesystemManifest, sameManifest } from './manifest.js';
import { fileSource } from './sources.js';

export interface XfsImageOptions {
  readonly sizeMib?: number;
  /** Options of mkfs.xfs: `-m crc=0`. */
  readonly mkfs?: readonly string[];
  /** Fill it, mounted by the kernel. */
  readonly fill?: (directory: string) => void;
}

/** An image made by mkfs.xfs; it goes when the test ends. */
export function xfsImage(t: Test, options: XfsImageOptions = {}): string {
  const image = join(temporaryDirectory(t), 'xfs.img');
  formatXfs(image, options);
  if (options.fill !== undefined) {
    const mount = loopMount(t, image, [], 'xfs');
    options.fill(mount.directory);
    mount.unmount();
  }
  return image;
}

/** Make an XFS in a new sparse file. */
export function formatXfs(image: string, { sizeMib = 320, mkfs = [] }: XfsImageOptions): void {
  closeSync(openSync(image, 'w'));
  truncateSync(image, sizeMib * 1024 * 1024);
  // mkfs.xfs wants 300 MiB and more from all but its own tests.
  execFileSync('mkfs.xfs', ['--unsupported', '-q', '-f', '-K', ...mkfs, image], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

/** What xfs_db prints. */
export function xfsDb(image: string, ...commands: string[]): string {
  const options = ['-x', ...commands.flatMap((command) => ['-c', command]), image];
  return execFileSync('xfs_db', options, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 26 });
}

/** Open an image of XFS with a cache of its own. */
export async function openXfs(source: ByteSource, cacheBytes = 16 * 1024 * 1024): Promise<Filesystem> {
  return await xfsDriver.open({ source, cache: new BlockCache(cacheBytes) });
}

/** One assertion: that the reader shows the image as the kernel does, mounted read-only. */
export async function sameAsKernel(t: Test, image: string, options: readonly string[] = []): Promise<Filesystem> {
  const filesystem = await openXfs(fileSource(t, image));
  const actual = await filesystemManifest(filesystem);
  const mount = loopMount(t, image, ['ro', ...options], 'xfs');
  const usage = statfsSync(mount.directory);
  const expected = directoryManifest(mount.directory);
  mount.unmount();
  const { bsize: blockBytes, blocks, bfree: freeBlocks, files, ffree: freeFiles } = usage;
  t.same(await filesystem.usage(), { blockBytes, blocks, freeBlocks, files, freeFiles }, 'statfs');
  sameManifest(t, actual, expected);
  t.same(await lookupFailures(filesystem), [], 'every name is found');
  return filesystem;
}

/** Look up each name of each directory, and one that is not there; what is not found as it is listed. */
export async function lookupFailures(filesystem: Filesystem): Promise<string[]> {
  const failures: string[] = [];
  const pending: FileId[] = [filesystem.root];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    if ((await filesystem.lookup(directory, 'no such name')) !== undefined) failures.push(`in ${directory}`);
    for await (const batch of filesystem.readDirectory(directory)) {
      for (const item of batch) {
        const found = await filesystem.lookup(directory, item.name);
        if (found?.id !== item.id || found.type !== item.type) failures.push(`${directory}/${item.name}`);
        if (item.type === 'directory') pending.push(item.id);
      }
    }
  }
  return failures;
}

/** A copy that shares its blocks where the file system here can do that. */
export function copyImage(from: string, to: string): void {
  copyFileSync(from, to, constants.COPYFILE_FICLONE);
}

/** The bytes of an image, with some of them changed by `change`, in a new file. */
export function changedImage(t: Test, image: string, change: (bytes: Buffer) => void): string {
  const bytes = readFileSync(image);
  change(bytes);
  const changed = join(temporaryDirectory(t), 'changed.img');
  writeFileSync(changed, bytes);
  return changed;
}

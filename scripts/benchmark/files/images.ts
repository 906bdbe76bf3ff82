import { existsSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { log } from '../log.js';
import { run } from '../process.js';
import { isMounted, unmountAll, waitFor } from '../system.js';
import { type FilesScale, makeContent } from './content.js';

export const FILESYSTEMS = ['ext4', 'xfs', 'ntfs', 'exfat'] as const;
export type FilesystemName = (typeof FILESYSTEMS)[number];

/** The input of a run: a directory of files, and an image of each file system with the same files in it. */
export interface FilesInput {
  readonly content: string;
  readonly images: Readonly<Record<FilesystemName, string>>;
}

const MAKE: Readonly<Record<FilesystemName, (image: string) => readonly [string, ...string[]]>> = {
  ext4: (image) => ['mke2fs', '-q', '-F', '-t', 'ext4', '-i', '8192', image],
  xfs: (image) => ['mkfs.xfs', '-q', '-f', image],
  ntfs: (image) => ['mkntfs', '-q', '-F', '-f', image],
  // The usual 32 KiB for each of 122,000 files would not fit.
  exfat: (image) => ['mkfs.exfat', '-c', '4K', image],
};

/** Makes the input below `cache`, or finds it there. Needs root. */
export async function provideFiles(cache: string, scale: FilesScale, seed: number): Promise<FilesInput> {
  const dir = path.join(cache, `files-${scale.name}-${seed}`);
  const input = filesIn(dir);
  if (existsSync(dir)) return input;
  const building = path.join(cache, `files-${scale.name}.building-${process.pid}`);
  mkdirSync(building, { recursive: true });
  try {
    log('making the files');
    const made = filesIn(building);
    mkdirSync(made.content);
    makeContent(made.content, scale, seed);
    for (const name of FILESYSTEMS) {
      log(`making the ${name} image`);
      await makeImage(name, made.images[name], made.content, scale.imageBytes);
    }
    renameSync(building, dir);
  } finally {
    await unmountAll(building);
    rmSync(building, { recursive: true, force: true });
  }
  return input;
}

function filesIn(dir: string): FilesInput {
  const image = (name: FilesystemName): string => path.join(dir, `${name}.img`);
  return {
    content: path.join(dir, 'content'),
    images: { ext4: image('ext4'), xfs: image('xfs'), ntfs: image('ntfs'), exfat: image('exfat') },
  };
}

async function makeImage(name: FilesystemName, image: string, content: string, sizeBytes: number): Promise<void> {
  writeFileSync(image, '');
  truncateSync(image, sizeBytes);
  const [program, ...options] = MAKE[name](image);
  await run(program, options);
  const mountPoint = `${image}.mnt`;
  mkdirSync(mountPoint);
  const unmount = await mountWritable(name, image, mountPoint);
  try {
    await run('cp', ['-r', `${content}/.`, mountPoint]);
  } finally {
    await unmount();
  }
  rmSync(mountPoint, { recursive: true });
}

/** Mounts to fill the image; returns what unmounts it again and waits until all is in the image. */
async function mountWritable(name: FilesystemName, image: string, mountPoint: string): Promise<() => Promise<void>> {
  if (name === 'ext4' || name === 'xfs') {
    await run('mount', ['-o', 'loop', image, mountPoint]);
    return async () => {
      await run('umount', [mountPoint]);
    };
  }
  if (name === 'ntfs') return await mountProgram('ntfs-3g', ['-o', 'big_writes,noatime'], image, mountPoint);
  // exfat-fuse wants a device.
  const device = await attachLoop(image);
  const unmount = await mountProgram('mount.exfat-fuse', ['-o', 'noatime'], device, mountPoint);
  return async () => {
    await unmount();
    await run('losetup', ['--detach', device]);
  };
}

/** A loop device over a file. */
export async function attachLoop(file: string): Promise<string> {
  return (await run('losetup', ['--find', '--show', file])).stdout.trim();
}

/** These programs go to the background; they have written everything when they are gone. */
async function mountProgram(
  program: string,
  options: readonly string[],
  source: string,
  mountPoint: string,
): Promise<() => Promise<void>> {
  await run(program, [...options, source, mountPoint]);
  return async () => {
    await run('umount', [mountPoint]);
    await waitFor(`${program} to be unmounted`, () => !isMounted(mountPoint));
    await waitForProgram(program, source);
  };
}

async function waitForProgram(program: string, source: string): Promise<void> {
  for (let running = true; running;) {
    running = await run('pgrep', ['-f', `${program} .*${source} `]).then(
      () => true,
      () => false,
    );
  }
}

import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

import { CONTAINER_EXTENSIONS } from '../../agent/images/magic.js';
import { systemCode, UmbraError } from '../common/errors.js';
import { blockDeviceSize } from '../system/block-device.js';
import { readMounts, type MountEntry } from '../system/mounts.js';
import { syncDirectory } from '../system/sync-directory.js';
import { targetError } from './target-error.js';
import { assertNoLoopDevice, assertNotMounted, assertNoWriter, lockTarget } from './target-in-use.js';
import { assertNotInStore, resolveTarget } from './target-path.js';

/** What a target is opened for. */
export interface TargetOptions {
  /** Absolute. */
  readonly file: string;
  /** Size of the volume that is to be written to it. */
  readonly sizeBytes: number;
  /** Of the store, if it is on this machine. */
  readonly storeDirectory: string | undefined;
  /** The file of an image is written, and no disk: then it may be named as one. */
  readonly isImageFile?: boolean;
}

/** An open file or block device that a volume is restored to: checked, locked, and nothing of it changed yet. */
export interface Target {
  /** Without symbolic links. */
  readonly path: string;
  readonly kind: 'file' | 'device';
  /** True if it was made by {@link openTarget}: it is empty. */
  readonly isNew: boolean;
  /** Bytes it has now. */
  readonly sizeBytes: number;
  readonly handle: FileHandle;
}

/**
 * Open an existing target, or make a new file.
 * @throws {UmbraError} TARGET_REFUSED, TARGET_BUSY, TARGET_TOO_SMALL, TARGET_FAILED
 */
export async function openTarget(options: TargetOptions): Promise<Target> {
  const mounts = await readMounts();
  const file = await resolveTarget(options.file, mounts);
  await assertNotInStore(file, options.storeDirectory, mounts);
  if (options.isImageFile !== true) assertNotContainer(file);
  try {
    const stats = await statIfThere(file);
    if (stats === undefined) return await createFile(file);
    if (stats.isFile()) return await openFile(file, stats, mounts);
    if (stats.isBlockDevice()) return await openDevice(file, stats, options.sizeBytes);
  } catch (error) {
    throw targetError(file, error);
  }
  throw new UmbraError('TARGET_REFUSED', `${file} is neither a regular file nor a block device`, {
    hint: 'Give a file or a block device, or a directory without --volume.',
  });
}

/** A restore writes the bytes of the virtual disk; in the place of a container they would destroy it. */
function assertNotContainer(file: string): void {
  const format = CONTAINER_EXTENSIONS.get(path.extname(file).toLowerCase());
  if (format === undefined) return;
  throw new UmbraError('TARGET_REFUSED', `${file} is named as a ${format} image, and a restore writes raw volumes`, {
    hint: 'Give another name, or a new file to "umbra export", which writes qcow2.',
  });
}

/** Close a target to which nothing was written; a file that {@link openTarget} made goes again. */
export async function giveUpTarget(target: Target): Promise<void> {
  if (target.isNew) await unlink(target.path).catch(() => undefined);
  await target.handle.close();
}

/** Make a file, and its name in its directory, durable. */
export async function syncTarget(target: Target): Promise<void> {
  try {
    await target.handle.sync();
    if (target.isNew) await syncDirectory(path.dirname(target.path));
  } catch (error) {
    throw targetError(target.path, error);
  }
}

async function createFile(file: string): Promise<Target> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = await open(file, flags, 0o600);
  return checked(handle, () => {
    lockTarget(handle.fd, file);
    return Promise.resolve({ path: file, kind: 'file', isNew: true, sizeBytes: 0, handle });
  });
}

async function openFile(file: string, stats: BigIntStats, mounts: readonly MountEntry[]): Promise<Target> {
  await assertNoLoopDevice(file, stats, mounts);
  await assertNoWriter(file);
  const handle = await open(file, constants.O_RDWR | constants.O_NOFOLLOW);
  return checked(handle, async () => {
    lockTarget(handle.fd, file);
    const { size } = await handle.stat();
    return { path: file, kind: 'file', isNew: false, sizeBytes: size, handle };
  });
}

async function openDevice(file: string, stats: BigIntStats, neededBytes: number): Promise<Target> {
  await assertNotMounted(file, stats.rdev);
  await assertNoWriter(file);
  // On a block device O_EXCL asks the kernel for sole use: it refuses what is mounted, or part of a RAID, LVM or swap.
  const handle = await open(file, constants.O_RDWR | constants.O_EXCL | constants.O_NOFOLLOW);
  return checked(handle, () => {
    lockTarget(handle.fd, file);
    const sizeBytes = blockDeviceSize(handle.fd);
    if (sizeBytes < neededBytes) {
      throw new UmbraError('TARGET_TOO_SMALL', `${file} has ${sizeBytes} bytes, and the volume has ${neededBytes}`, {
        hint: 'Give a larger device, or a file.',
      });
    }
    return Promise.resolve({ path: file, kind: 'device', isNew: false, sizeBytes, handle });
  });
}

/** The target, or its handle closed again. */
async function checked(handle: FileHandle, check: () => Promise<Target>): Promise<Target> {
  try {
    return await check();
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function statIfThere(file: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(file, { bigint: true });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

import type { BigIntStats } from 'node:fs';
import { constants, open, realpath, stat, type FileHandle } from 'node:fs/promises';
import { type Clock } from '../../src/common/clock.js';
import { messageOf, systemCode, UmbraError } from '../../src/common/errors.js';
import { blockDeviceSize } from '../../src/system/block-device.js';
import { hasTrustedTimes, identityText, isSettled, writtenText } from './fingerprint.js';
import { deviceInUse, writtenByQemu } from './in-use.js';
import { lockForReading } from './qemu-locks.js';

/** One file or block device that an image consists of, opened for reading and locked against QEMU's writers. */
export class ImageFile {
  readonly path: string;
  readonly realPath: string;
  readonly isDevice: boolean;
  readonly sizeBytes: number;
  /** False where the file system has no locks, so that a QEMU elsewhere could write unseen. */
  readonly locked: boolean;
  /** See {@link DiskImage.fingerprint}; of this file alone. */
  readonly fingerprint: string | undefined;
  /**
   * Device, inode, size and time of the last write: other numbers are other content. Owners and labels may change. Empty for
   * block devices, which don't say when they were written.
   */
  readonly written: string;
  readonly #handle: FileHandle;
  readonly #identity: string;

  private constructor(path: string, realPath: string, handle: FileHandle, state: FileState) {
    this.path = path;
    this.realPath = realPath;
    this.isDevice = state.isDevice;
    this.sizeBytes = state.sizeBytes;
    this.locked = state.locked;
    this.fingerprint = state.fingerprint;
    this.written = state.written;
    this.#handle = handle;
    this.#identity = state.identity;
  }

  /** @throws {UmbraError} IMAGE_NOT_FOUND, IMAGE_FORMAT (not a file or block device), IMAGE_IN_USE, IMAGE_FAILED */
  static async open(path: string, clock: Clock): Promise<ImageFile> {
    const realPath = await realpath(path).catch((error: unknown) => {
      throw notFound(path, error);
    });
    const handle = await openQuietly(path, realPath);
    try {
      return new ImageFile(path, realPath, handle, await lockAndLook(path, realPath, handle, clock));
    } catch (error) {
      await handle.close();
      throw error instanceof UmbraError ? error : failed(path, error);
    }
  }

  /** Valid until {@link close}. */
  get fd(): number {
    return this.#handle.fd;
  }

  /**
   * Fill `target` from `offset`.
   * @throws {UmbraError} IMAGE_FAILED, IMAGE_CHANGED when the file ends before
   */
  async read(target: Uint8Array, offset: number): Promise<void> {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await this.#handle
        .read(target, done, target.length - done, offset + done)
        .catch((error: unknown) => {
          throw failed(this.path, error);
        });
      if (bytesRead === 0) throw changedError(this.path, 'is shorter than it was');
      done += bytesRead;
    }
  }

  /**
   * Compare with how the file was when it was opened.
   * @throws {UmbraError} IMAGE_CHANGED if it was written, or another file took its name
   */
  async assertUnchanged(): Promise<void> {
    const now = await this.#handle.stat({ bigint: true });
    const named = await stat(this.path, { bigint: true }).catch(() => undefined);
    if (named?.dev !== now.dev || named.ino !== now.ino) throw changedError(this.path, 'was replaced by another file');
    if (identityOf(now, this.#handle.fd) !== this.#identity) throw changedError(this.path, 'was written');
  }

  /** Idempotent. Gives up the locks. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** @param what - what happened, after the path: `was written` */
export function changedError(path: string, what: string): UmbraError {
  return new UmbraError('IMAGE_CHANGED', `${path} ${what} while it was read`, {
    hint: 'Shut the machine down, or back up a snapshot of the image.',
  });
}

interface FileState {
  readonly isDevice: boolean;
  readonly sizeBytes: number;
  readonly locked: boolean;
  readonly fingerprint: string | undefined;
  readonly written: string;
  readonly identity: string;
}

/** Open without side effects: no waiting for a pipe's other end, no touching of what is not an image. */
async function openQuietly(path: string, realPath: string): Promise<FileHandle> {
  const stats = await stat(realPath, { bigint: true }).catch((error: unknown) => {
    throw notFound(path, error);
  });
  refuseOtherKinds(path, stats);
  // On a block device O_EXCL is refused while the kernel uses it: mounted, in RAID, below LVM.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | (stats.isBlockDevice() ? constants.O_EXCL : 0);
  try {
    return await open(realPath, flags);
  } catch (error) {
    if (systemCode(error) === 'EBUSY') throw await deviceInUse(path, realPath, stats.rdev);
    throw notFound(path, error);
  }
}

async function lockAndLook(path: string, realPath: string, handle: FileHandle, clock: Clock): Promise<FileState> {
  // Again, on what was opened: the name may mean another file by now.
  const isDevice = refuseOtherKinds(path, await handle.stat({ bigint: true })).isBlockDevice();
  const lock = lockForReading(handle.fd);
  if (lock === 'conflict') throw await writtenByQemu(path, realPath);
  const stats = await handle.stat({ bigint: true });
  const settled = !isDevice && isSettled(stats, clock.now()) && (await hasTrustedTimes(realPath));
  return {
    isDevice,
    sizeBytes: isDevice ? blockDeviceSize(handle.fd) : Number(stats.size),
    locked: lock === 'locked',
    fingerprint: settled ? identityText(stats) : undefined,
    written: isDevice ? '' : writtenText(stats),
    identity: identityOf(stats, handle.fd),
  };
}

/** The times of a device node say nothing of its content. */
function identityOf(stats: BigIntStats, fd: number): string {
  return stats.isBlockDevice() ? `${stats.rdev}:${blockDeviceSize(fd)}` : identityText(stats);
}

function refuseOtherKinds(path: string, stats: BigIntStats): BigIntStats {
  if (stats.isFile() || stats.isBlockDevice()) return stats;
  const kind = stats.isDirectory()
    ? 'a directory'
    : stats.isCharacterDevice()
      ? 'a character device'
      : 'a pipe or socket';
  throw new UmbraError('IMAGE_FORMAT', `${path} is ${kind}, not a disk image`, {
    hint: 'Name a file or a block device.',
  });
}

function notFound(path: string, cause: unknown): UmbraError {
  const code = systemCode(cause);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new UmbraError('IMAGE_NOT_FOUND', `${path} does not exist`, {
      hint: "Give the path of the machine's disk image or block device.",
      cause,
    });
  }
  return new UmbraError('IMAGE_NOT_FOUND', `${path}: ${messageOf(cause)}`, {
    ...(code === 'EACCES' || code === 'EPERM' ? { hint: 'Run as a user who may read it.' } : {}),
    cause,
  });
}

function failed(path: string, cause: unknown): UmbraError {
  return new UmbraError('IMAGE_FAILED', `${path} cannot be read: ${messageOf(cause)}`, { cause });
}

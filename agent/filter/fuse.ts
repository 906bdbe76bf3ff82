import { createRequire } from 'node:module';
import type FuseNative from 'fuse-native';
import { messageOf, UmbraError } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import { setCloseOnExec } from '../../src/system/close-on-exec.js';
import { copyWhole } from '../../src/system/fuse/answers.js';
import { loadBinding } from '../../src/system/fuse/binding.js';
import { connectionDescriptors, isConnection } from '../../src/system/fuse/connections.js';
import { loadMarkingThreads } from '../../src/system/fuse/thread-key.js';
import { FuseThreads } from '../../src/system/fuse/threads.js';
import { errnoOf } from './errno.js';
import { answer, handlers } from './fuse-handlers.js';
import type { Operations } from './operations.js';

const packages = createRequire(import.meta.url);
const { loaded: Fuse, marked } = loadMarkingThreads(() => packages('fuse-native') as typeof FuseNative);
const binding = loadBinding(packages);
const threads = marked ? new FuseThreads() : undefined;

/** Where the times of a utimens stand in the memory of a request (`fuse_thread_locals_t` of fuse-native 2.2.6). */
const ATIME_AT = 104;
const MTIME_AT = 112;
const TWO_32 = 2 ** 32;

/** The file system type of the filter's mounts in the kernel's table. */
export const FILTER_MOUNT_TYPE = 'fuse.umbra-filter';

export interface FilterMountOptions {
  readonly operations: Operations;
  readonly mountPoint: string;
  /** Let other users in, as far as owners and modes allow: a hypervisor seldom runs as the filter's user. */
  readonly allowOther: boolean;
  readonly log: Log;
}

/** A connection with the kernel; it can outlast the mount, until the last open file is closed. */
export interface FilterMount {
  /** True once the kernel will send nothing more. */
  isOver(): boolean;
  /** Let the process end. Call it when {@link isOver}, once. */
  finish(): Promise<void>;
}

/** Nothing is cached but what the kernel itself has just written: attributes, names and sizes are asked for each time. */
function libfuseOptions(allowOther: boolean): string {
  return [
    '-odefault_permissions',
    'fsname=umbra-filter',
    'subtype=umbra-filter',
    'use_ino',
    // Without it the kernel writes 4 KiB at a time.
    'big_writes',
    'attr_timeout=0',
    'entry_timeout=0',
    'negative_timeout=0',
    // The images that it is mounted over.
    'nonempty',
    ...(allowOther ? ['allow_other'] : []),
  ].join(',');
}

class FilterFuse extends Fuse {
  readonly #operations: Operations;
  readonly #mountPoint: string;
  readonly #options: string;
  readonly #log: Log;

  constructor({ operations, mountPoint, allowOther, log }: FilterMountOptions) {
    // A slow disk is no reason to fail.
    super(mountPoint, handlers(operations), { timeout: false });
    this.#operations = operations;
    this.#mountPoint = mountPoint;
    this.#options = libfuseOptions(allowOther);
    this.#log = log;
  }

  protected override _fuseOptions(): string {
    return this.#options;
  }

  /** The package's own one refuses a directory that is the top of a file system, as those of images often are. */
  protected override _open(done: (error: Error | null | undefined) => void): void {
    const thread = Buffer.alloc(binding.sizeof_fuse_thread_t);
    this._thread = thread;
    this._openCallback = done;
    try {
      const implemented = this._getImplementedArray();
      const allocate = (bytes: number): Buffer => this._malloc(bytes);
      binding.fuse_native_mount(this.#mountPoint, this.#options, thread, this, allocate, this._handlers, implemented);
    } catch (error) {
      done(error instanceof Error ? error : new UmbraError('MOUNT_FAILED', String(error)));
    }
  }

  protected override _malloc(bytes: number): Buffer {
    if (threads === undefined || this._thread === null) return super._malloc(bytes);
    try {
      return threads.allocate(bytes, this._thread.readBigUInt64LE(0));
    } catch (error) {
      this.#log.error('filter: the memory of ended threads is not used again', { reason: messageOf(error) });
      return super._malloc(bytes);
    }
  }

  /** The package gives the access time for both. */
  protected override _makeHandlerArray(): unknown[] {
    const native = super._makeHandlerArray();
    native[binding.op_utimens] = (request: Buffer, _operation: number, path: string, low: number, high: number) => {
      const atimeMs = low + high * TWO_32;
      const isKnown = Number(request.readBigUInt64LE(ATIME_AT)) === atimeMs;
      const mtimeMs = isKnown ? Number(request.readBigUInt64LE(MTIME_AT)) : atimeMs;
      answer(this.#operations.utimens(path, atimeMs, mtimeMs), (error) => {
        binding.fuse_native_signal_utimens(request, error);
      });
    };
    return native;
  }

  /** The package's own one would answer with more bytes than the program has room for. */
  protected override _op_getxattr(signal: FuseNative.XattrSignal, path: string, name: string, target: Buffer): void {
    signal(
      attempt(() => copyWhole(this.#operations.getxattr(path, name), target)),
      target.buffer,
    );
  }

  protected override _op_listxattr(signal: FuseNative.XattrSignal, path: string, target: Buffer): void {
    const names = (): Buffer =>
      Buffer.from(
        this.#operations
          .listxattr(path)
          .map((name) => `${name}\0`)
          .join(''),
      );
    signal(
      attempt(() => copyWhole(names(), target)),
      target.buffer,
    );
  }
}

/** The number of bytes, or a negative errno. */
function attempt(work: () => number): number {
  try {
    return work();
  } catch (error) {
    return errnoOf(error);
  }
}

// close() calls this; unmounting is done by fusermount, without the shell that the package would run.
Fuse.unmount = (_mountPoint, done) => {
  done(null);
};

/**
 * Mount it. One in a process.
 * @throws {UmbraError} MOUNT_FAILED
 */
export async function mountFilter(options: FilterMountOptions): Promise<FilterMount> {
  const fuse = new FilterFuse(options);
  const before = connectionDescriptors();
  await new Promise<void>((resolve, reject) => {
    fuse.mount((error) => {
      if (error === null || error === undefined) resolve();
      else reject(mountFailed(options.mountPoint, error));
    });
  });
  const descriptor = connectionDescriptors().find((fd) => !before.includes(fd));
  // A program started from here must not keep the mount alive.
  if (descriptor !== undefined) setCloseOnExec(descriptor);
  return {
    isOver: () => descriptor === undefined || !isConnection(descriptor),
    finish: () =>
      new Promise((resolve) => {
        fuse.close(() => {
          resolve();
        });
      }),
  };
}

function mountFailed(mountPoint: string, cause: Error): UmbraError {
  return new UmbraError('MOUNT_FAILED', `cannot mount at ${mountPoint}: ${cause.message}`, {
    hint: '/dev/fuse and the right to use it are needed; other users are let in by root, or with user_allow_other in /etc/fuse.conf.',
    cause,
  });
}

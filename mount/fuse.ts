import { createRequire } from 'node:module';
import type FuseNative from 'fuse-native';
import type { Clock } from '../src/common/clock.js';
import { messageOf, UmbraError } from '../src/common/errors.js';
import type { Log } from '../src/common/log.js';
import { setCloseOnExec } from '../src/system/close-on-exec.js';
import { ENODATA } from './errno.js';
import { copyWhole, entryStats } from '../src/system/fuse/answers.js';
import { loadMarkingThreads } from '../src/system/fuse/thread-key.js';
import { FuseThreads } from '../src/system/fuse/threads.js';
import { loadBinding } from '../src/system/fuse/binding.js';
import { connectionDescriptors, isConnection } from '../src/system/fuse/connections.js';
import { answerAtOnce } from './fuse-requests.js';
import { createHandlers, type Handlers } from './handlers.js';
import { OpenFiles } from './open-files.js';
import type { VirtualTree } from './tree.js';
import { TroubleLog } from './trouble-log.js';

const packages = createRequire(import.meta.url);
const { loaded: Fuse, marked } = loadMarkingThreads(() => packages('fuse-native') as typeof FuseNative);
const binding = loadBinding(packages);

/**
 * How long the kernel may go on with what it knows of a path, in seconds; libfuse takes one number
 * for a whole mount. Contents never change, so this only bounds how long the name of a forgotten
 * shadow copy still answers (opening anything in it fails at once), and how old a directory's link
 * count and time can be. Listings, link targets and failed look-ups are asked for each time.
 */
export const KERNEL_CACHE_SECONDS = 30;

export interface FuseOptions {
  readonly tree: VirtualTree;
  /** Absolute; an empty directory that {@link checkMountPoint} has seen. */
  readonly mountPoint: string;
  /** Let other users in, as far as owners and modes allow. */
  readonly allowOther: boolean;
  /** {@link KERNEL_CACHE_SECONDS}, but for tests. */
  readonly kernelCacheSeconds?: number;
  readonly log: Log;
  readonly clock: Clock;
}

/** A connection with the kernel. It can outlast the mount: after `umount -l`, until the last open file is closed. */
export interface FuseSession {
  readonly mountPoint: string;
  /** The number of open files. */
  openFiles(): number;
  /** True once the kernel will send nothing more. Never asks the mount itself. */
  isOver(): boolean;
  /** Close what was left open and let the process end. Call it when {@link isOver}, once. */
  finish(): Promise<void>;
}

/** Undefined where the memory of threads that ended can't be found. */
const threads = marked ? new FuseThreads() : undefined;

/** How many threads of libfuse are known; undefined where those that end can't be found. */
export function knownThreads(): number | undefined {
  return threads?.size;
}

/** What the package needs to see and never calls: the class below does it in its place. */
const ANSWERED_HERE = { readdir: () => undefined, getxattr: () => undefined, listxattr: () => undefined };

/** fuse-native knows only some of libfuse's options, so the whole option string is made here. */
class ReadOnlyFuse extends Fuse {
  readonly #libfuseOptions: readonly string[];
  readonly #log: Log;
  #handlers: Handlers | undefined;

  constructor(
    mountPoint: string,
    handlers: Handlers,
    { libfuse, log }: { readonly libfuse: readonly string[]; readonly log: Log },
  ) {
    // A slow disk is no reason to fail: the package's own limit is 15 s.
    super(mountPoint, { ...handlers, ...ANSWERED_HERE }, { timeout: false });
    this.#handlers = handlers;
    this.#libfuseOptions = libfuse;
    this.#log = log;
  }

  /** The package keeps this object for good; what it leads to, the whole tree, need not stay. Nothing is asked any more. */
  letGo(): void {
    this.ops = {};
    this.#handlers = undefined;
  }

  protected override _makeHandlerArray(): unknown[] {
    const native = super._makeHandlerArray();
    answerAtOnce(native, binding, () => this.#handlers);
    return native;
  }

  protected override _op_readdir(
    signal: (error: number, names?: readonly string[], stats?: readonly Uint32Array[]) => void,
    path: string,
  ): void {
    this.#handlers?.readdir(path, (error, listed) => {
      if (listed === undefined) signal(error);
      else signal(0, listed.names, entryStats(listed.types, listed.inos));
    });
  }

  /** The package's own one would answer with more bytes than the program has room for. */
  protected override _op_getxattr(signal: FuseNative.XattrSignal, path: string, name: string, target: Buffer): void {
    this.#handlers?.getxattr(path, name, (error, value) => {
      if (error !== 0) signal(error, target.buffer);
      else signal(value === undefined ? ENODATA : copyWhole(value, target), target.buffer);
    });
  }

  protected override _op_listxattr(signal: FuseNative.XattrSignal, path: string, target: Buffer): void {
    this.#handlers?.listxattr(path, (error, names) => {
      if (names === undefined) signal(error, target.buffer);
      else signal(copyWhole(Buffer.from(names.map((name) => `${name}\0`).join('')), target), target.buffer);
    });
  }

  protected override _fuseOptions(): string {
    return `-o${this.#libfuseOptions.join(',')}`;
  }

  protected override _malloc(bytes: number): Buffer {
    if (threads === undefined || this._thread === null) return super._malloc(bytes);
    try {
      return threads.allocate(bytes, this._thread.readBigUInt64LE(0));
    } catch (error) {
      // The package goes on with whatever it gets, and must get memory.
      this.#log.error('mount: the memory of ended threads is not used again', { reason: messageOf(error) });
      return super._malloc(bytes);
    }
  }
}

/** libfuse's options (mount.fuse(8)); none of them comes from a user. */
function libfuseOptions({ allowOther, kernelCacheSeconds = KERNEL_CACHE_SECONDS }: FuseOptions): readonly string[] {
  return [
    'ro',
    'fsname=umbra',
    'subtype=umbra',
    'use_ino',
    'kernel_cache',
    `entry_timeout=${kernelCacheSeconds}`,
    `attr_timeout=${kernelCacheSeconds}`,
    ...(allowOther ? ['allow_other', 'default_permissions'] : []),
  ];
}

// close() calls this and then lets go of the event loop. Unmounting itself is done before, without the shell that the
// package would run.
Fuse.unmount = (_mountPoint, done) => {
  done(null);
};

/** The sessions that are not finished, to see which connection is whose. */
const sessions = new Set<Session>();

class Session implements FuseSession {
  readonly mountPoint: string;
  readonly #fuse: ReadOnlyFuse;
  readonly #files: OpenFiles;
  readonly #descriptor: number | undefined;
  #over = false;

  constructor(mountPoint: string, fuse: ReadOnlyFuse, files: OpenFiles, descriptor: number | undefined) {
    this.mountPoint = mountPoint;
    this.#fuse = fuse;
    this.#files = files;
    this.#descriptor = descriptor;
  }

  openFiles(): number {
    return this.#files.size;
  }

  isOver(): boolean {
    this.#over ||= this.#descriptor !== undefined && !isConnection(this.#descriptor);
    return this.#over;
  }

  /** Another session's connection has this descriptor now, so this one's was closed. */
  lose(descriptor: number | undefined): void {
    this.#over ||= descriptor !== undefined && this.#descriptor === descriptor;
  }

  async finish(): Promise<void> {
    this.#over = true;
    sessions.delete(this);
    await this.#files.closeAll();
    await new Promise<void>((resolve) => {
      this.#fuse.close(() => {
        resolve();
      });
    });
    this.#fuse.letGo();
  }
}

/**
 * Mounts `tree`. One call at a time, since the connection is found by looking for a new descriptor.
 * @throws {UmbraError} MOUNT_FAILED
 */
export async function mountFuse(options: FuseOptions): Promise<FuseSession> {
  const { tree, mountPoint, log, clock } = options;
  const files = new OpenFiles();
  const handlers = createHandlers({ tree, files, trouble: new TroubleLog(log, clock) });
  const fuse = new ReadOnlyFuse(mountPoint, handlers, { libfuse: libfuseOptions(options), log });
  const before = connectionDescriptors();
  await start(fuse, mountPoint);
  const descriptor = connectionDescriptors().find((fd) => !before.includes(fd));
  // libfuse leaves it to be inherited: a program started from here would keep the mount from dying with this process.
  if (descriptor !== undefined) setCloseOnExec(descriptor);
  for (const other of sessions) other.lose(descriptor);
  const session = new Session(mountPoint, fuse, files, descriptor);
  sessions.add(session);
  return session;
}

function start(fuse: FuseNative, mountPoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    fuse.mount((error) => {
      if (error === null || error === undefined) resolve();
      else reject(mountFailed(mountPoint, error));
    });
  });
}

function mountFailed(mountPoint: string, cause: Error): UmbraError {
  return new UmbraError('MOUNT_FAILED', `cannot mount at ${mountPoint}: ${cause.message}`, {
    hint: 'What libfuse said stands in the server log; /dev/fuse and the right to use it are needed.',
    cause,
  });
}

import { messageOf, UmbraError } from '../src/common/errors.js';
import type { Log } from '../src/common/log.js';
import type { MountInfo } from '../src/protocol/server-api.js';
import { readMounts, type MountEntry } from '../src/system/mounts.js';
import { cleanIfDead, isUmbraMount } from './dead-mounts.js';
import type { FuseSession } from './fuse.js';
import { raiseReadAhead } from './read-ahead.js';
import { unmountPath, type UnmountOptions } from '../src/system/fuse/unmount.js';

/** How long after unmounting the connection may take to end before it counts as still used by somebody. */
const END_MS = 1000;
const END_STEP_MS = 10;

/** One mount of this process, followed to its end, whoever brings that about. */
export class ActiveMount {
  readonly info: MountInfo;
  /** Resolves when it is no longer mounted: a command, `fusermount` or the administrator did it. Never rejects. */
  readonly ended: Promise<void>;
  readonly #session: FuseSession;
  readonly #entry: MountEntry | undefined;
  readonly #log: Log;
  readonly #resolveEnded: () => void;
  #mounted = true;
  #unmounting = false;
  #finishing: Promise<void> | undefined;

  /** Finds the session's line in the kernel's table. */
  static async start(info: MountInfo, session: FuseSession, log: Log): Promise<ActiveMount> {
    const mounts = await readMounts();
    const entry = mounts.findLast((found) => isUmbraMount(found) && found.mountPoint === info.mountPoint);
    if (entry !== undefined) await raiseReadAhead(entry);
    return new ActiveMount(info, session, entry, log);
  }

  private constructor(info: MountInfo, session: FuseSession, entry: MountEntry | undefined, log: Log) {
    this.info = info;
    this.#session = session;
    this.#entry = entry;
    this.#log = log;
    const { promise, resolve } = deferred();
    this.ended = promise;
    this.#resolveEnded = resolve;
  }

  get isMounted(): boolean {
    return this.#mounted;
  }

  /** True if `entry` is this mount's line in the kernel's table. */
  isAt(entry: MountEntry | undefined): boolean {
    const own = this.#entry;
    if (entry === undefined || own === undefined) return false;
    return entry.id === own.id && entry.device === own.device && entry.mountPoint === own.mountPoint;
  }

  /**
   * Resolves when it is no longer mounted; at once when it is not.
   * @throws {UmbraError} MOUNT_FAILED when it is in use and `lazy` is not set, or covered by another mount
   */
  async unmount(options: UnmountOptions): Promise<void> {
    const { mountPoint } = this.info;
    const top = (await readMounts()).findLast((entry) => entry.mountPoint === mountPoint);
    if (await this.#isGone()) return;
    if (!this.isAt(top)) {
      throw new UmbraError('MOUNT_FAILED', `something else is mounted over ${mountPoint}`, {
        hint: 'Unmount that first.',
      });
    }
    this.#unmounting = true;
    try {
      await unmountPath(mountPoint, options);
    } finally {
      await this.#afterUnmounting();
    }
  }

  /** Waits a moment for the kernel's last requests, so that files count as closed when this returns. */
  async #afterUnmounting(): Promise<void> {
    if (!(await this.#isGone())) {
      this.#unmounting = false;
      return;
    }
    for (let waitedMs = 0; waitedMs < END_MS && !this.#session.isOver(); waitedMs += END_STEP_MS) {
      await new Promise((resolve) => setTimeout(resolve, END_STEP_MS));
    }
    await this.look();
  }

  /** See how it stands. Never rejects. @returns true when nothing is left of it */
  async look(): Promise<boolean> {
    try {
      const gone = await this.#isGone();
      if (!this.#session.isOver()) return false;
      // The connection was cut while it was mounted (by /sys/fs/fuse): what is left is a dead mount.
      if (!gone) await cleanIfDead(this.info.mountPoint, this.#log);
      this.#end();
      this.#finishing ??= this.#session.finish();
      await this.#finishing;
      return true;
    } catch (error) {
      this.#log.warn('mount: trouble while watching', { ...this.#fields(), reason: messageOf(error) });
      return false;
    }
  }

  async #isGone(): Promise<boolean> {
    if (this.#mounted && !(await readMounts()).some((entry) => this.isAt(entry))) this.#end();
    return !this.#mounted;
  }

  #end(): void {
    if (!this.#mounted) return;
    this.#mounted = false;
    const openFiles = this.#session.openFiles();
    if (this.#unmounting) this.#log.info('mount: unmounted', { ...this.#fields(), openFiles });
    else this.#log.warn('mount: unmounted by somebody else', { ...this.#fields(), openFiles });
    this.#resolveEnded();
  }

  #fields(): { mountPoint: string } {
    return { mountPoint: this.info.mountPoint };
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}

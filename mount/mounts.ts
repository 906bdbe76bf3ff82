import { type Clock, systemClock } from '../src/common/clock.js';
import { messageOf, UmbraError } from '../src/common/errors.js';
import type { Log } from '../src/common/log.js';
import type { MountInfo, MountRequest } from '../src/protocol/server-api.js';
import { cleanDeadMounts } from './dead-mounts.js';
import type { FilesService } from './files/files-service.js';
import type * as FuseModule from './fuse.js';
import { resolveScope } from './listing.js';
import { ActiveMount } from './active-mount.js';
import { findMount, prepareMountPoint } from './mount-point.js';
import { checkFuse } from './requirements.js';
import type { ShadowCopySource } from './source.js';
import { VirtualTree } from './tree.js';
import { warmUp } from './warm-up.js';

/**
 * Loaded when it is needed: most servers live for one backup and mount nothing.
 * @throws {UmbraError} MOUNT_FAILED
 */
async function loadFuse(): Promise<typeof FuseModule> {
  try {
    return await import('./fuse.js');
  } catch (cause) {
    throw new UmbraError('MOUNT_FAILED', `FUSE cannot be loaded: ${messageOf(cause)}`, {
      hint: 'Umbra needs libfuse 2 (apt-get install libfuse2). Run "umbra stop" and try again.',
      cause,
    });
  }
}

export interface MountsOptions {
  /** Absolute path of the store's directory; undefined for one that is elsewhere. */
  readonly store: string | undefined;
  readonly source: ShadowCopySource;
  /** The files inside its shadow copies. */
  readonly files: FilesService;
  readonly log: Log;
  readonly clock?: Clock;
  /** For tests; see KERNEL_CACHE_SECONDS. */
  readonly kernelCacheSeconds?: number;
}

/** How often it is looked whether a mount is still there. */
const WATCH_MS = 1000;

/** Takes away mounts that killed servers of this user left behind, and makes the table of this process's mounts. */
export async function openMounts(options: MountsOptions): Promise<Mounts> {
  await cleanDeadMounts(options.log);
  return new Mounts(options);
}

/** The mounts that this process serves. It must not touch any of them itself, not even by `stat`. */
export class Mounts {
  readonly #options: MountsOptions;
  readonly #clock: Clock;
  /** Also those that are unmounted but have files open. */
  readonly #mounts = new Set<ActiveMount>();
  #lastMounting: Promise<unknown> = Promise.resolve();
  /** Begins with the first mount. */
  #warmUp: Promise<void> | undefined;
  #watching = false;
  #closed = false;

  constructor(options: MountsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Resolves when the kernel and this process have shaken hands: from then on the mount answers.
   * @throws {UmbraError} MOUNT_POINT, MOUNT_FAILED, NOT_FOUND, PROGRAM_MISSING, SERVER_STOPPING
   */
  mount(request: Omit<MountRequest, 'leased'>): Promise<ActiveMount> {
    // One after the other: two that ask for the same directory must see each other.
    const mounting = this.#lastMounting.then(() => this.#mount(request));
    this.#lastMounting = mounting.catch(() => undefined);
    return mounting;
  }

  async #mount(request: Omit<MountRequest, 'leased'>): Promise<ActiveMount> {
    this.#refuseWhenClosed();
    const { source, files, store, log } = this.#options;
    const { allowOther } = request;
    const uid = process.getuid?.() ?? 0;
    const gid = process.getgid?.() ?? 0;
    await checkFuse({ allowOther, uid });
    const scope = await resolveScope(source, request.machine, request.version);
    const mountPoint = await prepareMountPoint({ mountPoint: request.mountPoint, store, log });
    const tree = new VirtualTree({ source, files, uid, gid, nowMs: this.#clock.now(), ...(scope && { scope }) });
    this.#refuseWhenClosed();
    // The kernel gives the numbers of mounts that are gone to new ones: first see which are gone.
    await this.#look();
    const { kernelCacheSeconds } = this.#options;
    const { mountFuse } = await loadFuse();
    const session = await mountFuse({
      tree,
      mountPoint,
      allowOther,
      log,
      clock: this.#clock,
      ...(kernelCacheSeconds !== undefined && { kernelCacheSeconds }),
    });
    const mount = await ActiveMount.start({ mountPoint, ...scope }, session, log);
    this.#mounts.add(mount);
    this.#watch();
    // What goes wrong is told to whoever looks there.
    this.#warmUp ??= warmUp({ tree, source, scope }).catch(() => undefined);
    return mount;
  }

  /**
   * Resolves when the mount is gone; with `force` also while files in it are open, which stay readable until they are closed.
   * @throws {UmbraError} MOUNT_POINT when nothing of this process is mounted there, MOUNT_FAILED when it is in use
   */
  async unmount(mountPoint: string, { force }: { readonly force: boolean } = { force: false }): Promise<void> {
    const entry = await findMount(mountPoint);
    const mount = [...this.#mounts].find((candidate) => candidate.isAt(entry));
    if (mount === undefined) {
      throw new UmbraError('MOUNT_POINT', `no shadow copies are mounted at ${mountPoint} by this server`, {
        hint: 'See "umbra status" for what is mounted.',
      });
    }
    const unmounting = mount.unmount({ lazy: false });
    await (force ? unmounting.catch(() => mount.unmount({ lazy: true })) : unmounting);
    await this.#look();
  }

  list(): readonly MountInfo[] {
    return [...this.#mounts].filter((mount) => mount.isMounted).map((mount) => mount.info);
  }

  /** Unmounts everything; what is in use stays readable to those who have it open until this process ends. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#lastMounting;
    await this.#warmUp;
    await Promise.all([...this.#mounts].map((mount) => this.#closeOne(mount)));
    await this.#look();
  }

  async #closeOne(mount: ActiveMount): Promise<void> {
    try {
      await mount.unmount({ lazy: false }).catch(() => mount.unmount({ lazy: true }));
    } catch (error) {
      const { mountPoint } = mount.info;
      this.#options.log.error('mount: could not be unmounted', { mountPoint, reason: messageOf(error) });
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new UmbraError('SERVER_STOPPING', 'the server is shutting down');
  }

  #watch(): void {
    if (this.#watching || this.#mounts.size === 0) return;
    this.#watching = true;
    this.#clock.after(WATCH_MS, () => {
      this.#watching = false;
      void this.#look().finally(() => {
        this.#watch();
      });
    });
  }

  async #look(): Promise<void> {
    for (const mount of this.#mounts) {
      if (await mount.look()) this.#mounts.delete(mount);
    }
  }
}

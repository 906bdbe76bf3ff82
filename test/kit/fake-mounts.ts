import { UmbraError } from '../../src/common/errors.js';
import type { MountInfo, MountRequest } from '../../src/protocol/server-api.js';
import type { ActiveMount, MountTable } from '../../src/server/mount-table.js';

/**
 * A table of mounts that the kernel knows nothing of. A mount point that ends in `busy` needs force, one that ends in `stuck`
 * can't be unmounted at the end.
 */
export class FakeMounts implements MountTable {
  readonly #mounts = new Map<string, { info: MountInfo; end: () => void }>();

  mount({ mountPoint, machine, version }: MountRequest): Promise<ActiveMount> {
    if (machine === 'missing') return Promise.reject(new UmbraError('NOT_FOUND', 'there is no machine missing'));
    const info = { mountPoint, ...(machine && { machine }), ...(version && { version }) };
    const ended = new Promise<void>((resolve) => {
      this.#mounts.set(mountPoint, { info, end: resolve });
    });
    return Promise.resolve({ info, ended });
  }

  unmount(mountPoint: string, { force }: { readonly force: boolean }): Promise<void> {
    const mount = this.#mounts.get(mountPoint);
    if (mount === undefined)
      return Promise.reject(new UmbraError('MOUNT_POINT', `nothing is mounted at ${mountPoint}`));
    if (mountPoint.endsWith('busy') && !force) {
      return Promise.reject(new UmbraError('MOUNT_FAILED', `${mountPoint} is in use`));
    }
    this.#mounts.delete(mountPoint);
    mount.end();
    return Promise.resolve();
  }

  list(): readonly MountInfo[] {
    return [...this.#mounts.values()].map(({ info }) => info);
  }

  close(): Promise<void> {
    for (const [mountPoint, { end }] of this.#mounts) {
      if (mountPoint.endsWith('stuck')) continue;
      end();
      this.#mounts.delete(mountPoint);
    }
    return Promise.resolve();
  }
}

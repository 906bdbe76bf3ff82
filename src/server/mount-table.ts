import type { Log } from '../common/log.js';
import type { MountInfo, MountRequest } from '../protocol/server-api.js';
import type { FilesService } from '../../mount/files/files-service.js';
import type { ShadowCopySource } from '../../mount/source.js';

/** A mount of this server. */
export interface ActiveMount {
  readonly info: MountInfo;
  /** Resolves when it is gone, whoever unmounted it: a command, `fusermount`, the administrator. Never rejects. */
  readonly ended: Promise<void>;
}

/** The mounts of one server process. */
export interface MountTable {
  /**
   * Resolves when the mount answers.
   * @throws {UmbraError} MOUNT_POINT, MOUNT_FAILED, NOT_FOUND, PROGRAM_MISSING
   */
  mount(request: MountRequest): Promise<ActiveMount>;
  /**
   * Resolves when the mount is gone. With `force` it is taken away even while files in it are
   * open: from its place at once, and altogether when they are closed.
   * @throws {UmbraError} MOUNT_POINT when nothing of this server is mounted there, MOUNT_FAILED when it is in use
   */
  unmount(mountPoint: string, options: { readonly force: boolean }): Promise<void>;
  list(): readonly MountInfo[];
  /** Unmounts everything, also what is in use. Idempotent; never rejects. */
  close(): Promise<void>;
}

export interface OpenMountsOptions {
  /** Absolute path of the store's directory. */
  readonly store: string;
  readonly source: ShadowCopySource;
  /** The files inside its shadow copies. */
  readonly files: FilesService;
  readonly log: Log;
}

/** Makes the table, and takes away mounts that a killed server of this store left behind. */
export type OpenMounts = (options: OpenMountsOptions) => Promise<MountTable>;

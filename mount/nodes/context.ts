import type { FilesService } from '../files/files-service.js';
import type { Filesystem } from '../filesystems/filesystem.js';
import type { InodeTable } from '../inodes.js';
import type { Listing } from '../listing.js';
import type { NodeStat } from '../node.js';
import type { ShadowCopySummary } from '../source.js';
import type { ViewCache } from '../views.js';
import type { GuestTree } from './guest.js';
import type { VersionContext } from './version-context.js';

/** What all nodes of one tree share. */
export interface TreeContext {
  readonly listing: Listing;
  readonly views: ViewCache;
  readonly inodes: InodeTable;
  /** The files inside shadow copies. */
  readonly files: FilesService;
  /** Those of the file systems that are open. */
  readonly guests: WeakMap<Filesystem, GuestTree>;
  /** What the nodes of a shadow copy share, by its summary as the source gave it. */
  readonly versions: WeakMap<ShadowCopySummary, VersionContext>;
  /** Who owns what Umbra itself shows. */
  readonly uid: number;
  readonly gid: number;
  /** When the tree was made. */
  readonly madeAtMs: number;
}

const DIRECTORY_PERMISSIONS = 0o555;

/** The stat of a directory with `subdirectories` directories in it. */
export function directoryStat(context: TreeContext, ino: number, subdirectories: number, mtimeMs: number): NodeStat {
  return {
    kind: 'directory',
    ino,
    permissions: DIRECTORY_PERMISSIONS,
    nlink: 2 + subdirectories,
    uid: context.uid,
    gid: context.gid,
    sizeBytes: 0,
    blocks: 0,
    mtimeMs,
  };
}

import type { Eventually } from '../../src/common/eventually.js';
import type { FilesService } from '../files/files-service.js';
import type { ShadowFiles } from '../files/shadow-files.js';
import type { ListedNames } from '../files/listed-names.js';
import type { Filesystem } from '../filesystems/filesystem.js';
import type { InodeTable } from '../inodes.js';
import type { MergedVolumes } from '../merged/merged-volumes.js';
import type { Listing } from '../listing.js';
import type { NodeStat } from '../node.js';
import type { ShadowCopySummary, ShadowCopyView } from '../source.js';
import type { ViewCache } from '../views.js';
import type { GuestTree } from './guest.js';
import type { GuestShortcut } from './guest-shortcut.js';
import type { SnapshotNames } from './snapshot-names.js';

/** What all nodes of one tree share. */
export interface TreeContext {
  readonly listing: Listing;
  readonly views: ViewCache;
  readonly inodes: InodeTable;
  /** The files inside shadow copies. */
  readonly files: FilesService;
  /** What lists of guests' directories said. */
  readonly names: ListedNames;
  /** Those of the file systems that are open. */
  readonly guests: WeakMap<Filesystem, GuestTree>;
  /** The way to the one that was used last. */
  readonly shortcut: GuestShortcut;
  /** What the nodes of a shadow copy share, by its summary as the source gave it. */
  readonly versions: WeakMap<ShadowCopySummary, VersionContext>;
  /** The disks of shadow copies that are put together from their files. */
  readonly merged: WeakMap<ShadowCopyView, MergedVolumes>;
  /** What the names of snapshots in shares mean. */
  readonly snapshots: SnapshotNames;
  /** Who owns what Umbra itself shows. */
  readonly uid: number;
  readonly gid: number;
  /** When the tree was made. */
  readonly madeAtMs: number;
}

/** One shadow copy as its nodes see it. */
export interface VersionContext extends TreeContext {
  readonly machine: string;
  readonly summary: ShadowCopySummary;
  /** The inode number of a node of this shadow copy. */
  ino(index: number): number;
  /** Opens the shadow copy, or finds it open. */
  view(): Promise<ShadowCopyView>;
  /** Its disks that are put together from their files; opens the shadow copy, or finds it open. */
  mergedVolumes(): Promise<MergedVolumes>;
  /** Opens its partitions, or finds them open; see FilesService. */
  openFiles(): Eventually<ShadowFiles>;
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

import { after, type Eventually } from '../src/common/eventually.js';
import { InodeTable } from './inodes.js';
import { Listing, type TreeScope } from './listing.js';
import { type DirectoryEntry, isEntryName, type NodeStat, type OpenFile, type TreeNode, type Xattrs } from './node.js';
import type { TreeContext } from './nodes/context.js';
import { GuestShortcut } from './nodes/guest-shortcut.js';
import { versionOwner } from './nodes/inode-index.js';
import { RootNode } from './nodes/root.js';
import { SnapshotNames } from './nodes/snapshot-names.js';
import type { FilesService } from './files/files-service.js';
import { ListedNames } from './files/listed-names.js';
import type { FilesystemUsage } from './filesystems/filesystem.js';
import type { ShadowCopySource } from './source.js';
import { TreeError } from './tree-error.js';
import { ViewCache } from './views.js';

export interface TreeOptions {
  readonly source: ShadowCopySource;
  /** The files inside its shadow copies. */
  readonly files: FilesService;
  /** What to show; everything when absent. */
  readonly scope?: TreeScope;
  /** Who owns what Umbra itself shows. */
  readonly uid: number;
  readonly gid: number;
  /** The time of the top directory, in milliseconds since 1970. */
  readonly nowMs: number;
}

/**
 * The tree of shadow copies (`MACHINE/VERSION/volumes/vda.raw`), read-only, over any source. It
 * knows nothing of FUSE. Paths are absolute within the tree (`/` is its top) and resolved name by
 * name; links are not followed, since the kernel does that.
 *
 * Every method throws TreeError (ENOENT, ENOTDIR, …) for a path that is not what it is taken for,
 * and the source's UmbraErrors. What is in memory is given at once, and so can errors be.
 */
export class VirtualTree {
  readonly #root: RootNode;
  readonly #shortcut = new GuestShortcut();

  constructor({ source, files, scope, uid, gid, nowMs }: TreeOptions) {
    const inodes = new InodeTable();
    const listing = new Listing(source, scope, (machine, version) => {
      inodes.forget(versionOwner(machine, version));
      files.forget(machine, version);
    });
    const views = new ViewCache(source);
    const context: TreeContext = {
      listing,
      views,
      inodes,
      files,
      names: new ListedNames(),
      guests: new WeakMap(),
      shortcut: this.#shortcut,
      versions: new WeakMap(),
      merged: new WeakMap(),
      snapshots: new SnapshotNames(),
      uid,
      gid,
      madeAtMs: nowMs,
    };
    this.#root = new RootNode(context);
  }

  stat(path: string): Eventually<NodeStat> {
    return after(this.resolve(path), (node) => node.stat());
  }

  /** A directory's children, without `.` and `..`. */
  async list(path: string): Promise<readonly DirectoryEntry[]> {
    const entries: DirectoryEntry[] = [];
    for await (const batch of this.batches(path)) for (const entry of batch) entries.push(entry);
    return entries;
  }

  /** The same in batches of bounded size. */
  async *batches(path: string): AsyncGenerator<readonly DirectoryEntry[]> {
    const node = await this.resolve(path);
    if (node.kind !== 'directory') throw new TreeError('ENOTDIR', path);
    yield* node.list();
  }

  async readlink(path: string): Promise<string> {
    const node = await this.resolve(path);
    if (node.kind !== 'link') throw new TreeError('EINVAL', path);
    return await node.readlink();
  }

  open(path: string): Eventually<OpenFile> {
    return after(this.resolve(path), (node) => {
      if (node.kind === 'directory') throw new TreeError('EISDIR', path);
      if (node.kind !== 'file') throw new TreeError('EINVAL', path);
      return node.open();
    });
  }

  /** Extended attributes by their full names. */
  xattrs(path: string): Eventually<Xattrs> {
    return after(this.resolve(path), (node) => node.xattrs?.() ?? NO_XATTRS);
  }

  /** The figures of the guest's file system that the path is in; undefined when it is in none. */
  async usage(path: string): Promise<FilesystemUsage | undefined> {
    return await (await this.resolve(path)).usage?.();
  }

  /** @throws {TreeError} ENOENT, ENOTDIR, ENAMETOOLONG */
  resolve(path: string): Eventually<TreeNode> {
    const found = this.#shortcut.find(path);
    if (found === undefined) return walk(this.#root, path, 0);
    return after(found.node, (node) => existing(node, path));
  }
}

/** The node at what is left of `path` from `start` on, below `node`. */
function walk(node: TreeNode, path: string, start: number): Eventually<TreeNode> {
  let from = start;
  while (path[from] === '/') from += 1;
  if (from === path.length) return node;
  if (node.kind !== 'directory') throw new TreeError('ENOTDIR', path);
  if (node.resolve !== undefined) {
    return after(node.resolve(path.slice(from)), (found) => existing(found, path));
  }
  const slash = path.indexOf('/', from);
  const end = slash < 0 ? path.length : slash;
  const name = path.slice(from, end);
  if (!isEntryName(name)) throw new TreeError(name.length > 255 ? 'ENAMETOOLONG' : 'ENOENT', path);
  return after(node.lookup(name), (child) => walk(existing(child, path), path, end));
}

const NO_XATTRS: Xattrs = new Map();

function existing(node: TreeNode | undefined, path: string): TreeNode {
  if (node === undefined) throw new TreeError('ENOENT', path);
  return node;
}

import { InodeTable } from './inodes.js';
import { Listing, type TreeScope } from './listing.js';
import { type DirectoryEntry, isEntryName, type NodeStat, type OpenFile, type TreeNode } from './node.js';
import type { TreeContext } from './nodes/context.js';
import { versionOwner } from './nodes/inode-index.js';
import { RootNode } from './nodes/root.js';
import type { ShadowCopySource } from './source.js';
import { TreeError } from './tree-error.js';
import { ViewCache } from './views.js';

export interface TreeOptions {
  readonly source: ShadowCopySource;
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
 * and the source's UmbraErrors.
 */
export class VirtualTree {
  readonly #root: RootNode;

  constructor({ source, scope, uid, gid, nowMs }: TreeOptions) {
    const inodes = new InodeTable();
    const listing = new Listing(source, scope, (machine, version) => {
      inodes.forget(versionOwner(machine, version));
    });
    const context: TreeContext = { listing, views: new ViewCache(source), inodes, uid, gid, madeAtMs: nowMs };
    this.#root = new RootNode(context);
  }

  async stat(path: string): Promise<NodeStat> {
    return await (await this.resolve(path)).stat();
  }

  /** A directory's children, without `.` and `..`. */
  async list(path: string): Promise<readonly DirectoryEntry[]> {
    const node = await this.resolve(path);
    if (node.kind !== 'directory') throw new TreeError('ENOTDIR', path);
    return await node.list();
  }

  async readlink(path: string): Promise<string> {
    const node = await this.resolve(path);
    if (node.kind !== 'link') throw new TreeError('EINVAL', path);
    return await node.readlink();
  }

  async open(path: string): Promise<OpenFile> {
    const node = await this.resolve(path);
    if (node.kind === 'directory') throw new TreeError('EISDIR', path);
    if (node.kind === 'link') throw new TreeError('EINVAL', path);
    return await node.open();
  }

  /** @throws {TreeError} ENOENT, ENOTDIR, ENAMETOOLONG */
  async resolve(path: string): Promise<TreeNode> {
    let node: TreeNode = this.#root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      if (node.kind !== 'directory') throw new TreeError('ENOTDIR', path);
      if (!isEntryName(name)) throw new TreeError(name.length > 255 ? 'ENAMETOOLONG' : 'ENOENT', path);
      const child: TreeNode | undefined = await node.lookup(name);
      if (child === undefined) throw new TreeError('ENOENT', path);
      node = child;
    }
    return node;
  }
}

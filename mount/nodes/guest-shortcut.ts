import type { Eventually } from '../../src/common/eventually.js';
import type { TreeNode } from '../node.js';

/** The files of a guest's file system. */
export interface NodesByPath {
  /** The node at `path` (`a/b/c`). */
  node(path: string): Eventually<TreeNode | undefined>;
}

/** Gives the file system that a walk from the top would lead to now, if that can be said at once. */
export type Way = () => NodesByPath | undefined;

/**
 * The way from the top to the guest's file system that was used last. A program's look at one file takes several requests, each
 * with the whole path; walking it name by name takes longer than finding the file in the end. What it leads to is not kept: it may
 * be let go of at any time.
 */
export class GuestShortcut {
  #prefix = '';
  #way: Way | undefined;

  /**
   * A walk led to a file system.
   * @param prefix the path of its top, with a slash at the end: `/vm/2026-11-28T10-00-00Z/files/vda1/`
   */
  note(prefix: string, way: Way): void {
    this.#prefix = prefix;
    this.#way = way;
  }

  /** The node at an absolute path of the tree, which may be undefined; nothing at all if there is no short way to it. */
  find(path: string): { readonly node: Eventually<TreeNode | undefined> } | undefined {
    if (this.#way === undefined || !path.startsWith(this.#prefix)) return undefined;
    if (path.charCodeAt(this.#prefix.length) === SLASH) return undefined;
    const nodes = this.#way();
    if (nodes !== undefined) return { node: nodes.node(path.slice(this.#prefix.length)) };
    this.#way = undefined;
    return undefined;
  }
}

const SLASH = 0x2f;

import { after, type Eventually } from '../../src/common/eventually.js';
import type { DirectoryNode, FileNode, NodeStat, TreeNode } from '../node.js';

/**
 * Files of a guest that knows access lists and no modes, for a program that goes by those lists (Samba): whoever it
 * reads for must be let in by the modes.
 */
export function readableDirectory(directory: DirectoryNode): DirectoryNode {
  const resolve = directory.resolve?.bind(directory);
  return {
    ...withPermissions(directory, 0o555),
    lookup: (name) => after(directory.lookup(name), readable),
    ...(resolve && { resolve: (path) => after(resolve(path), readable) }),
  };
}

function readable(node: TreeNode | undefined): TreeNode | undefined {
  if (node?.kind === 'directory') return readableDirectory(node);
  return node?.kind === 'file' ? withFilePermissions(node) : node;
}

function withPermissions(directory: DirectoryNode, permissions: number): DirectoryNode {
  return { ...withStat(directory, {}), stat: () => statWith(directory, permissions) };
}

function withFilePermissions(file: FileNode): FileNode {
  const xattrs = file.xattrs?.bind(file);
  const usage = file.usage?.bind(file);
  return {
    kind: 'file',
    stat: () => statWith(file, 0o444),
    open: () => file.open(),
    ...(xattrs && { xattrs }),
    ...(usage && { usage }),
  };
}

function statWith(node: TreeNode, permissions: number): Eventually<NodeStat> {
  return after(node.stat(), (stat) => ({ ...stat, permissions: stat.permissions | permissions }));
}

/** A directory with some of its stat another one. */
export function withStat(directory: DirectoryNode, change: Partial<NodeStat>): DirectoryNode {
  const resolve = directory.resolve?.bind(directory);
  const xattrs = directory.xattrs?.bind(directory);
  const usage = directory.usage?.bind(directory);
  return {
    kind: 'directory',
    stat: () => after(directory.stat(), (stat) => ({ ...stat, ...change })),
    lookup: (name) => directory.lookup(name),
    list: () => directory.list(),
    ...(resolve && { resolve }),
    ...(xattrs && { xattrs }),
    ...(usage && { usage }),
  };
}

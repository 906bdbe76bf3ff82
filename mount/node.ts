/**
 * What the mounted tree is made of. Nodes are small and short-lived: each look-up of a path makes
 * them anew; what is dear (opened shadow copies) is cached below them.
 */
export type TreeNode = DirectoryNode | FileNode | LinkNode;

export interface DirectoryNode {
  readonly kind: 'directory';
  stat(): Promise<NodeStat>;
  /** The child of that name, or undefined when there is none. Costs no listing. */
  lookup(name: string): Promise<TreeNode | undefined>;
  /** All children, without `.` and `..`. */
  list(): Promise<readonly DirectoryEntry[]>;
}

export interface FileNode {
  readonly kind: 'file';
  stat(): Promise<NodeStat>;
  open(): Promise<OpenFile>;
}

export interface LinkNode {
  readonly kind: 'link';
  stat(): Promise<NodeStat>;
  /** The target, as the link holds it. */
  readlink(): Promise<string>;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: TreeNode['kind'];
  /** The same number that the node's {@link NodeStat} has. */
  readonly ino: number;
}

export interface NodeStat {
  readonly kind: TreeNode['kind'];
  /** 32 bits, unique in the tree, never another one for the same node while the tree lives. */
  readonly ino: number;
  /** The lower twelve bits of the mode. */
  readonly permissions: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Units of 512 bytes that hold data; fewer than the size has for a sparse file. */
  readonly blocks: number;
  readonly mtimeMs: number;
}

/** An open file of the tree; concurrent reads are fine. */
export interface OpenFile {
  /**
   * Fill `target` with the bytes from `offset`, up to the file's end.
   * @returns the number of bytes, less than `target.length` only at the end; at once if they are in memory
   */
  read(target: Uint8Array, offset: number): number | Promise<number>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** True if `name` can stand in a directory: guests choose some names, and `..` must not be one. */
export function isEntryName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name) && Buffer.byteLength(name) <= 255;
}

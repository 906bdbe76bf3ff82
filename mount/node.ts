import type { Eventually } from '../src/common/eventually.js';
import type { FilesystemUsage } from './filesystems/filesystem.js';

/**
 * What the mounted tree is made of. Nodes are small and short-lived: each look-up of a path makes
 * them anew; what is dear (opened shadow copies) is cached below them.
 */
export type TreeNode = DirectoryNode | FileNode | LinkNode | SpecialNode;

/** What a node is; guests have them all, Umbra itself shows the first three only. */
export type NodeKind = 'directory' | 'file' | 'link' | SpecialKind;
export type SpecialKind = 'character-device' | 'block-device' | 'fifo' | 'socket';

/** What a node of any kind can say: at once if it is in memory, since a program's look at one file takes several requests. */
interface AnyNode {
  stat(): Eventually<NodeStat>;
  /** Extended attributes by their full names; none without it. */
  xattrs?(): Eventually<Xattrs>;
  /** The figures of the file system that the node is in; those of the mount without it. */
  usage?(): Promise<FilesystemUsage>;
}

export type Xattrs = ReadonlyMap<string, Uint8Array>;

export interface DirectoryNode extends AnyNode {
  readonly kind: 'directory';
  /** The child of that name, or undefined when there is none. Costs no listing. */
  lookup(name: string): Eventually<TreeNode | undefined>;
  /** The node at a path (`a/b/c`) below this one, for a directory that knows a shorter way than name by name. */
  resolve?(path: string): Eventually<TreeNode | undefined>;
  /** All children, without `.` and `..`, in batches of bounded size. */
  list(): AsyncIterable<readonly DirectoryEntry[]> | Iterable<readonly DirectoryEntry[]>;
}

export interface FileNode extends AnyNode {
  readonly kind: 'file';
  open(): Eventually<OpenFile>;
}

export interface LinkNode extends AnyNode {
  readonly kind: 'link';
  /** The target, as the link holds it. */
  readlink(): Promise<string>;
}

/** A device, a fifo, a socket: it can be looked at, and the kernel does the rest. */
export interface SpecialNode extends AnyNode {
  readonly kind: SpecialKind;
}

export interface DirectoryEntry {
  readonly name: string;
  /** Undefined when only a look at the node could tell. */
  readonly kind: NodeKind | undefined;
  /** The same number that the node's {@link NodeStat} has. */
  readonly ino: number;
}

export interface NodeStat {
  readonly kind: NodeKind;
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
  /** Of a device. */
  readonly device?: { readonly major: number; readonly minor: number };
  /** Milliseconds since 1970, whole or not; the other two are the same when they are not there. */
  readonly mtimeMs: number;
  readonly atimeMs?: number;
  readonly ctimeMs?: number;
}

/** An open file of the tree; concurrent reads are fine. */
export interface OpenFile {
  /**
   * Fill `target` with the bytes from `offset`, up to the file's end.
   * @returns the number of bytes, less than `target.length` only at the end; at once if they are in memory
   */
  read(target: Uint8Array, offset: number): number | Promise<number>;
  /** Idempotent. */
  close(): Eventually<void>;
}

/** A directory with more entries than that is not listed: they would all have to be in memory at once. */
export const MAX_ENTRIES = 2_000_000;

/** The longest name of what Umbra itself shows, in bytes. */
const MAX_NAME = 255;
/**
 * The longest name in a guest's file system: the kernel refuses more than 1,024 bytes on FUSE, and fuse-native cuts what
 * it lists to 1,023. 255 escaped bytes fit, and so do 255 UTF-16 units as NTFS has them.
 */
export const MAX_GUEST_NAME = 1023;

/** True if `name` can stand in a directory: guests choose some names, and `..` must not be one. */
export function isEntryName(name: string, maxBytes = MAX_NAME): boolean {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) return false;
  // No character takes more than three bytes for each of its UTF-16 units.
  return name.length * 3 <= maxBytes || Buffer.byteLength(name) <= maxBytes;
}

import { constants } from 'node:fs';
import { chmod, lchown, lstat, mkdir, open, readdir, readlink, rmdir, statfs, symlink } from 'node:fs/promises';
import type { KernelStat } from '../../src/system/fuse/answers.js';
import { makeNode, setPathTimes, type NodeType } from '../../src/system/file-metadata.js';
import { syncDirectory } from '../../src/system/sync-directory.js';
import { getXattr, listXattrs, removeXattr, setXattr } from '../../src/system/xattrs.js';
import { Refusal } from './errno.js';
import type { FilteredFiles } from './filtered-files.js';
import { Handles, type Opened } from './handles.js';
import { statAnswer, statfsAnswer, viewAnswer } from './kernel-answers.js';
import type { KernelStatfs } from '../../src/system/fuse/answers.js';
import type { LowerDirectory } from './lower-directory.js';
import type { View } from './checkpoints.js';
import { findInViews, isViewPath, type ViewNode } from './view/view-tree.js';

const NS_PER_MS = 1_000_000n;
/** An owner or group that stays as it is. */
const UNCHANGED_ID = 2 ** 32 - 1;

const NODE_TYPES: ReadonlyMap<number, NodeType> = new Map([
  [constants.S_IFIFO, 'fifo'],
  [constants.S_IFSOCK, 'socket'],
  [constants.S_IFCHR, 'character-device'],
  [constants.S_IFBLK, 'block-device'],
]);

export interface OperationsParts {
  readonly lower: LowerDirectory;
  readonly files: FilteredFiles;
  readonly view: (token: string) => View | undefined;
}

/** The operations of the mount; each rejects with something that `errnoOf` knows. Paths are absolute in the mount. */
export class Operations {
  readonly handles = new Handles();
  readonly #lower: LowerDirectory;
  readonly #files: FilteredFiles;
  readonly #view: (token: string) => View | undefined;

  constructor({ lower, files, view }: OperationsParts) {
    this.#lower = lower;
    this.#files = files;
    this.#view = view;
  }

  async getattr(path: string): Promise<KernelStat> {
    if (isViewPath(path)) return viewAnswer(this.#viewed(path));
    return statAnswer(await lstat(this.#lower.at(path), { bigint: true }));
  }

  async fgetattr(handle: number): Promise<KernelStat> {
    const opened = this.handles.get(handle);
    if ('viewed' in opened) return viewAnswer({ kind: 'file', file: opened.viewed, timeMs: 0 });
    return statAnswer(await opened.handle.stat({ bigint: true }));
  }

  async readdir(path: string): Promise<string[]> {
    if (!isViewPath(path)) return await readdir(this.#lower.at(path));
    const node = this.#viewed(path);
    if (node.kind === 'file') throw new Refusal('EINVAL');
    return [...node.names];
  }

  async readlink(path: string): Promise<string> {
    return await readlink(this.#real(path));
  }

  async statfs(): Promise<KernelStatfs> {
    return statfsAnswer(await statfs(this.#lower.at('/')));
  }

  async open(path: string, flags: number): Promise<number> {
    if (!isViewPath(path)) return await this.#add(await this.#files.open(path, flags));
    if ((flags & 3) !== constants.O_RDONLY) throw new Refusal('EROFS');
    const node = this.#viewed(path);
    if (node.kind !== 'file') throw new Refusal('EISDIR');
    return await this.#add({ viewed: node.file });
  }

  async create(path: string, mode: number): Promise<number> {
    this.#real(path);
    return await this.#add(await this.#files.create(path, mode));
  }

  async #add(opened: Opened): Promise<number> {
    try {
      return this.handles.add(opened);
    } catch (error) {
      await this.#close(opened);
      throw error;
    }
  }

  async read(handle: number, target: Buffer, offset: number): Promise<number> {
    const opened = this.handles.get(handle);
    if ('viewed' in opened) return await opened.viewed.read(target, offset);
    return (await opened.handle.read(target, 0, target.length, offset)).bytesRead;
  }

  async write(handle: number, bytes: Buffer, offset: number): Promise<number> {
    return await this.#files.write(this.handles.live(handle), bytes, offset);
  }

  async truncate(path: string, sizeBytes: number): Promise<void> {
    this.#real(path);
    await this.#files.truncate(path, sizeBytes);
  }

  async ftruncate(handle: number, sizeBytes: number): Promise<void> {
    await this.#files.ftruncate(this.handles.live(handle), sizeBytes);
  }

  async fsync(handle: number, dataOnly: boolean): Promise<void> {
    const opened = this.handles.get(handle);
    if ('viewed' in opened) return;
    await (dataOnly ? opened.handle.datasync() : opened.handle.sync());
  }

  async fsyncdir(path: string): Promise<void> {
    if (!isViewPath(path)) await syncDirectory(this.#lower.at(path));
  }

  async release(handle: number): Promise<void> {
    const opened = this.handles.remove(handle);
    if (opened !== undefined) await this.#close(opened);
  }

  async #close(opened: Opened): Promise<void> {
    if (!('viewed' in opened)) await this.#files.close(opened);
  }

  /** When the mount has ended. */
  async closeAll(): Promise<void> {
    await Promise.allSettled(this.handles.removeAll().map((opened) => this.#close(opened)));
  }

  async unlink(path: string): Promise<void> {
    this.#real(path);
    await this.#files.unlink(path);
  }

  async rename(from: string, to: string): Promise<void> {
    for (const path of [from, to]) this.#real(path);
    await this.#files.rename(from, to);
  }

  async link(from: string, to: string): Promise<void> {
    for (const path of [from, to]) this.#real(path);
    await this.#files.link(from, to);
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#change(path, (lower) => symlink(target, lower));
  }

  mkdir(path: string, mode: number): Promise<void> {
    return this.#change(path, async (lower) => {
      await mkdir(lower, mode);
    });
  }

  rmdir(path: string): Promise<void> {
    return this.#change(path, (lower) => rmdir(lower));
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#change(path, (lower) => chmod(lower, mode & 0o7777));
  }

  chown(path: string, uid: number, gid: number): Promise<void> {
    return this.#change(path, (lower) => lchown(lower, idOrUnchanged(uid), idOrUnchanged(gid)));
  }

  /** Times are milliseconds since 1970. */
  utimens(path: string, atimeMs: number, mtimeMs: number): Promise<void> {
    return this.#change(path, (lower) => {
      setPathTimes(lower, { atimeNs: BigInt(atimeMs) * NS_PER_MS, mtimeNs: BigInt(mtimeMs) * NS_PER_MS });
    });
  }

  mknod(path: string, mode: number, device: number): Promise<void> {
    return this.#change(path, async (lower) => {
      const type = NODE_TYPES.get(mode & constants.S_IFMT);
      if (type !== undefined) makeNode(lower, type, mode & 0o7777, splitDevice(device));
      else await (await open(lower, 'wx', mode & 0o7777)).close();
    });
  }

  setxattr(path: string, name: string, value: Uint8Array, flags: number): Promise<void> {
    return this.#change(path, (lower) => {
      setXattr(lower, name, value, flags);
    });
  }

  removexattr(path: string, name: string): Promise<void> {
    return this.#change(path, (lower) => {
      removeXattr(lower, name);
    });
  }

  getxattr(path: string, name: string): Uint8Array {
    return getXattr(this.#real(path), name);
  }

  listxattr(path: string): readonly string[] {
    return isViewPath(path) ? [] : listXattrs(this.#lower.at(path));
  }

  async #change(path: string, work: (lower: string) => Promise<void> | void): Promise<void> {
    const lower = this.#real(path);
    await this.#files.change(() => work(lower));
  }

  /** @throws {Refusal} EACCES for what belongs to the views */
  #real(path: string): string {
    if (isViewPath(path)) throw new Refusal('EACCES');
    return this.#lower.at(path);
  }

  #viewed(path: string): ViewNode {
    const node = findInViews(path, this.#view);
    if (node === undefined) throw new Refusal('ENOENT');
    return node;
  }
}

function idOrUnchanged(id: number): number {
  return id === UNCHANGED_ID ? -1 : id;
}

/** Linux' 32 bits of a device number: twelve of major and twenty of minor. */
function splitDevice(device: number): { readonly major: number; readonly minor: number } {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}

import { link, rename, symlink } from 'node:fs/promises';
import { unescapeName } from '../../mount/filesystems/names.js';
import type { DirectoryItem, FileId, FileStat, Filesystem } from '../../mount/filesystems/filesystem.js';
import { systemCode, UmbraError } from '../common/errors.js';
import { makeNode, type NodeType } from '../system/file-metadata.js';
import { copyContent } from './copy-content.js';
import { dropInherited, setMetadata, setPathMetadata, type FileMetadata } from './copy-metadata.js';
import type { CopyReport } from './copy-report.js';
import { isDamage } from './damage.js';
import { hostName, shownHostName } from './host-name.js';
import { LinkTable } from './link-table.js';
import type { TargetDirectory } from './target-directory.js';
import { TaskPool } from './task-pool.js';

export interface CopyTreeOptions {
  readonly filesystem: Filesystem;
  readonly report: CopyReport;
  /** Replace files, and go on into directories, that are there. */
  readonly force: boolean;
  /** Make what is written durable, file by file. */
  readonly sync: boolean;
  readonly signal: AbortSignal;
  readonly onWritten: (bytes: number) => void;
}

/** Something of the guest that is to be copied. */
export interface CopySource {
  readonly id: FileId;
  /** Escaped. */
  readonly path: string;
}

/** A directory that is being filled. */
interface Frame {
  readonly source: CopySource;
  readonly metadata: FileMetadata;
  readonly target: TargetDirectory;
  /** From the top directory to here. */
  readonly names: readonly Buffer[];
  readonly items: AsyncIterator<readonly DirectoryItem[]>;
  batch: readonly DirectoryItem[];
  next: number;
}

/** Files copied at once. */
const TASKS = 6;
/** Each directory on the way is held open. */
const MAX_DEPTH = 1_000;
/** What makes no sense to go on after. */
const FATAL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE', 'ENODEV']);

/**
 * Copies files of a guest with everything they have. Each gets its name when it is complete; directories get their
 * metadata when all that is in them is there. What can't be read or written is noted, and the rest is copied.
 */
export class CopyTree {
  readonly #options: CopyTreeOptions;
  readonly #tasks = new TaskPool(TASKS);
  readonly #links = new LinkTable();
  readonly #entered = new Set<FileId>();
  /** In which everything lies that is copied. */
  #top: TargetDirectory | undefined;

  constructor(options: CopyTreeOptions) {
    this.#options = options;
  }

  /**
   * Copy a file, or a directory with everything in it, to a name in `parent`.
   * @throws {UmbraError} STORE_FAILED, CANCELLED; system errors after which nothing else can be written
   */
  async copy(source: CopySource, parent: TargetDirectory, name: Buffer): Promise<void> {
    this.#top = parent;
    const frames: Frame[] = [];
    try {
      const first = await this.#copyOne(source, parent, [name]);
      if (first !== undefined) frames.push(first);
      for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
        const item = await this.#nextItem(frame);
        if (item === undefined) {
          await this.#finishDirectory(frame);
          frames.pop();
        } else {
          const inner = await this.#copyItem(frame, item, frames.length);
          if (inner !== undefined) frames.push(inner);
        }
      }
      await this.#tasks.drain();
    } finally {
      await this.#tasks.settle();
      for (const { target } of frames) await target.close();
    }
  }

  async #nextItem(frame: Frame): Promise<DirectoryItem | undefined> {
    this.#options.signal.throwIfAborted();
    try {
      while (frame.next >= frame.batch.length) {
        const next = await frame.items.next();
        if (next.done === true) return undefined;
        frame.batch = next.value;
        frame.next = 0;
      }
      return frame.batch[frame.next++];
    } catch (error) {
      this.#noteRead(frame.source.path, error);
      return undefined;
    }
  }

  async #copyItem(frame: Frame, item: DirectoryItem, depth: number): Promise<Frame | undefined> {
    const path = `${frame.source.path}/${item.name}`;
    const source = { id: item.id, path };
    const name = hostName(item.name);
    if (name === undefined) {
      this.#options.report.add(
        'metadata',
        path,
        'its name is none that a file of Linux can have; copied as it is shown',
      );
    }
    const names = [...frame.names, name ?? shownHostName(item.name)];
    if (depth >= MAX_DEPTH && item.type === 'directory') {
      this.#options.report.add('read', path, `directories deeper than ${MAX_DEPTH} are not copied`);
      return undefined;
    }
    return await this.#copyOne(source, frame.target, names);
  }

  /** Copy a file, or begin with a directory. @param names the last is the one in `parent` */
  async #copyOne(source: CopySource, parent: TargetDirectory, names: readonly Buffer[]): Promise<Frame | undefined> {
    const metadata = await this.#metadata(source);
    const name = names.at(-1);
    if (metadata === undefined || name === undefined) return undefined;
    try {
      if (metadata.stat.type === 'directory') return await this.#beginDirectory(source, metadata, parent, names);
      if (await this.#linked(source, metadata.stat, parent, names)) return undefined;
      const copy = (): Promise<void> => this.#guarded(source, () => this.#copyFile(source, metadata, parent, names));
      // Of a file with several names, the first must be there before the next.
      await (metadata.stat.nlink > 1 ? copy() : this.#tasks.run(copy));
    } catch (error) {
      this.#note(source, error);
    }
    return undefined;
  }

  /** What is known of a file; undefined if that can't be read. */
  async #metadata(source: CopySource): Promise<FileMetadata | undefined> {
    const { filesystem, report } = this.#options;
    try {
      const stat = await filesystem.stat(source.id);
      try {
        return { stat, xattrs: stat.mayHaveXattrs ? await filesystem.xattrs(source.id) : new Map() };
      } catch (error) {
        if (!isDamage(error)) throw error;
        report.add('metadata', source.path, error);
        return { stat, xattrs: new Map() };
      }
    } catch (error) {
      this.#noteRead(source.path, error);
      return undefined;
    }
  }

  async #beginDirectory(
    source: CopySource,
    metadata: FileMetadata,
    parent: TargetDirectory,
    names: readonly Buffer[],
  ): Promise<Frame | undefined> {
    if (this.#entered.has(source.id)) {
      throw new UmbraError('FILESYSTEM_DAMAGED', 'it leads in a circle');
    }
    this.#entered.add(source.id);
    const target = await this.#directoryFor(parent, names.at(-1) ?? Buffer.alloc(0));
    const items = this.#options.filesystem.readDirectory(source.id)[Symbol.asyncIterator]();
    return { source, metadata, target, names, items, batch: [], next: 0 };
  }

  async #directoryFor(parent: TargetDirectory, name: Buffer): Promise<TargetDirectory> {
    try {
      return await parent.make(name);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST' || !this.#options.force) throw error;
      const there = await parent.lstat(name);
      if (there?.isDirectory() !== true) throw inTheWay('something that is no directory');
      return await parent.into(name);
    }
  }

  async #finishDirectory(frame: Frame): Promise<void> {
    const { report } = this.#options;
    // Files in it are still being written, and that would change its times.
    await this.#tasks.drain();
    await setMetadata(frame.target.handle, frame.metadata, (what) => {
      report.add('metadata', frame.source.path, `${what} could not be set`);
    });
    await frame.target.close();
    report.counts.directories++;
  }

  /** Make another name of a file that was copied already. @returns false if it was not */
  async #linked(
    source: CopySource,
    stat: FileStat,
    parent: TargetDirectory,
    names: readonly Buffer[],
  ): Promise<boolean> {
    const first = stat.nlink > 1 ? this.#links.find(source.id) : undefined;
    const name = names.at(-1);
    if (first === undefined || name === undefined || this.#top === undefined) return false;
    const partial = parent.partialName();
    try {
      await link(this.#top.path(...first.names), parent.path(partial));
      const made = await parent.lstat(partial);
      // Someone else may have put another file there.
      if (made?.ino !== first.ino || made.dev !== first.dev) return false;
      await parent.finish(partial, name, this.#options.force);
    } catch (error) {
      if (
        ['EMLINK', 'EPERM', 'ENOENT', 'EXDEV', 'EOPNOTSUPP', 'EACCES', 'ENAMETOOLONG'].includes(systemCode(error) ?? '')
      ) {
        this.#options.report.add(
          'metadata',
          source.path,
          'it is another name of a file in the guest, and copied once more',
        );
        return false;
      }
      throw error;
    } finally {
      await parent.discard(partial);
    }
    this.#options.report.counts.hardLinks++;
    return true;
  }

  async #copyFile(
    source: CopySource,
    metadata: FileMetadata,
    parent: TargetDirectory,
    names: readonly Buffer[],
  ): Promise<void> {
    const { report } = this.#options;
    const partial = parent.partialName();
    const name = names.at(-1) ?? partial;
    const { stat } = metadata;
    try {
      await this.#refuseDirectory(parent, name);
      if (stat.type === 'file') await this.#copyRegular(source, metadata, parent, partial);
      else if (stat.type === 'symlink') await this.#copyLink(source, metadata, parent.path(partial));
      else await this.#copyNode(source, metadata, parent, partial);
      if (stat.nlink > 1) this.#links.add(source.id, stat.nlink, names, await parent.lstat(partial));
      await parent.finish(partial, name, this.#options.force);
    } catch (error) {
      await parent.discard(partial);
      throw error;
    }
    report.counts[stat.type === 'file' ? 'files' : stat.type === 'symlink' ? 'symlinks' : 'specialFiles']++;
  }

  async #refuseDirectory(parent: TargetDirectory, name: Buffer): Promise<void> {
    if (!this.#options.force) return;
    if ((await parent.lstat(name))?.isDirectory() === true) throw inTheWay('a directory');
  }

  async #copyRegular(
    source: CopySource,
    metadata: FileMetadata,
    parent: TargetDirectory,
    partial: Buffer,
  ): Promise<void> {
    const { filesystem, signal, onWritten, report, sync } = this.#options;
    const handle = await parent.create(partial);
    try {
      const { sizeBytes } = metadata.stat;
      await copyContent({ filesystem, id: source.id, sizeBytes, handle, signal, onWritten });
      await setMetadata(handle, metadata, (what) => {
        report.add('metadata', source.path, `${what} could not be set`);
      });
      if (sync) await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async #copyLink(source: CopySource, metadata: FileMetadata, path: Buffer): Promise<void> {
    await symlink(unescapeName(await this.#options.filesystem.readlink(source.id)), path);
    await this.#setPathMetadata(source, metadata, path);
  }

  /** Make a device, fifo or socket; in a directory of its own, where nobody else comes, and which hands down no ACL. */
  async #copyNode(source: CopySource, metadata: FileMetadata, parent: TargetDirectory, partial: Buffer): Promise<void> {
    const { type, permissions, device } = metadata.stat;
    const roomName = parent.partialName();
    const room = await parent.make(roomName);
    try {
      dropInherited(room.handle.fd);
      const path = room.path(partial);
      makeNode(path, type as NodeType, permissions, device);
      await this.#setPathMetadata(source, metadata, path);
      await rename(path, parent.path(partial));
    } finally {
      await room.discard(partial);
      await room.close();
      await parent.removeEmpty(roomName);
    }
  }

  async #setPathMetadata(source: CopySource, metadata: FileMetadata, path: Buffer): Promise<void> {
    await setPathMetadata(path, metadata, (what) => {
      this.#options.report.add('metadata', source.path, `${what} could not be set`);
    });
  }

  /** Note what went wrong with one file, so that the others are copied. */
  async #guarded(source: CopySource, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#note(source, error);
    }
  }

  #note({ path }: CopySource, error: unknown): void {
    this.#options.signal.throwIfAborted();
    const code = systemCode(error);
    if (isDamage(error)) this.#options.report.add('read', path, error);
    else if (error instanceof UmbraError && error.code === 'TARGET_EXISTS')
      this.#options.report.add('write', path, error);
    else if (error instanceof UmbraError || code === undefined || FATAL.has(code)) throw error;
    else this.#options.report.add('write', path, writeReason(code, error));
  }

  #noteRead(path: string, error: unknown): void {
    this.#options.signal.throwIfAborted();
    if (!isDamage(error)) throw error;
    this.#options.report.add('read', path, error);
  }
}

function inTheWay(what: string): UmbraError {
  return new UmbraError('TARGET_EXISTS', `${what} is in its place`);
}

/** Why something could not be made, without the path in `/proc` by which it was named. */
function writeReason(code: string, error: unknown): string {
  const reasons: Readonly<Record<string, string>> = {
    EEXIST: 'something of this name is there already',
    ENAMETOOLONG: 'its name is too long for the file system that is copied to',
    EACCES: 'permission denied',
    EPERM: 'not permitted; devices need root',
    EFBIG: 'it is too large for the file system that is copied to',
    EINVAL: 'the file system that is copied to does not take it',
    EILSEQ: 'its name has characters that the file system that is copied to does not take',
  };
  const call = typeof error === 'object' && error !== null && 'syscall' in error ? ` (${String(error.syscall)})` : '';
  return reasons[code] ?? `${code}${call}`;
}

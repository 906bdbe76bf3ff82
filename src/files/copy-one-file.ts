import { link, rename, symlink } from 'node:fs/promises';
import { unescapeName } from '../../mount/filesystems/names.js';
import type { FileId, FileStat, Filesystem } from '../../mount/filesystems/filesystem.js';
import { systemCode } from '../common/errors.js';
import { makeNode, type NodeType } from '../system/file-metadata.js';
import { copyContent } from './copy-content.js';
import { dropInherited, setMetadata, setPathMetadata, type FileMetadata, type OnUnset } from './copy-metadata.js';
import { inTheWay, type CopyProblems } from './copy-problems.js';
import type { CopyReport } from './copy-report.js';
import { LinkTable } from './link-table.js';
import { irreplaceable } from './replaceable.js';
import type { TargetDirectory } from './target-directory.js';

/** Something of the guest that is to be copied. */
export interface CopySource {
  readonly id: FileId;
  /** Escaped. */
  readonly path: string;
}

/** Where a copy goes. */
export interface CopyPlace {
  readonly parent: TargetDirectory;
  /** From the top directory on; the last is the one in `parent`. */
  readonly names: readonly Buffer[];
  readonly name: Buffer;
}

export interface FileCopierOptions {
  readonly filesystem: Filesystem;
  readonly report: CopyReport;
  readonly problems: CopyProblems;
  /** Replace what is there. */
  readonly force: boolean;
  /** Make what is written durable, file by file. */
  readonly sync: boolean;
  readonly signal: AbortSignal;
  readonly onWritten: (bytes: number) => void;
  /** In which everything lies that is copied. */
  readonly top: TargetDirectory;
}

/** What says that a file system takes no further name of a file. */
const NO_LINK: ReadonlySet<string> = new Set([
  'EMLINK',
  'EPERM',
  'ENOENT',
  'EXDEV',
  'EOPNOTSUPP',
  'ENOSYS',
  'EACCES',
  'ENAMETOOLONG',
]);

/** Copies single files, each of which gets its name when it is complete, and makes further names of those with several. */
export class FileCopier {
  readonly #options: FileCopierOptions;
  readonly #links = new LinkTable();

  constructor(options: FileCopierOptions) {
    this.#options = options;
  }

  /** @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED, TARGET_EXISTS, CANCELLED; system errors of the target */
  async copy(source: CopySource, metadata: FileMetadata, { parent, names, name }: CopyPlace): Promise<void> {
    const { report, force } = this.#options;
    const partial = parent.partialName();
    const { stat } = metadata;
    try {
      if (force) await assertReplaceable(parent, name, stat);
      if (stat.type === 'file') await this.#copyRegular(source, metadata, parent, partial);
      else await this.#copyInRoom(source, metadata, parent, partial);
      if (stat.nlink > 1) this.#links.add(source.id, stat.nlink, names, await parent.lstat(partial));
      await parent.finish(partial, name, force);
    } catch (error) {
      await parent.discard(partial);
      throw error;
    }
    report.counts[stat.type === 'file' ? 'files' : stat.type === 'symlink' ? 'symlinks' : 'specialFiles']++;
  }

  /** Make another name of a file that was copied already. @returns false if it was not, or none can be made */
  async linked({ id, path }: CopySource, stat: FileStat, { parent, name }: CopyPlace): Promise<boolean> {
    const { top, force, report, problems } = this.#options;
    const first = stat.nlink > 1 ? this.#links.find(id) : undefined;
    if (first === undefined) return false;
    if (force) await assertReplaceable(parent, name, stat);
    const partial = parent.partialName();
    try {
      await link(top.path(...first.names), parent.path(partial));
      const made = await parent.lstat(partial);
      // Someone else may have put another file there.
      if (made?.ino !== first.ino || made.dev !== first.dev) return false;
      await parent.finish(partial, name, force);
    } catch (error) {
      if (!NO_LINK.has(systemCode(error) ?? '')) throw error;
      problems.noteMetadata(path, 'it is another name of a file in the guest, and copied once more');
      return false;
    } finally {
      await parent.discard(partial);
    }
    report.counts.hardLinks++;
    return true;
  }

  async #copyRegular(
    source: CopySource,
    metadata: FileMetadata,
    parent: TargetDirectory,
    partial: Buffer,
  ): Promise<void> {
    const { filesystem, signal, onWritten, sync } = this.#options;
    const handle = await parent.create(partial);
    try {
      const { sizeBytes } = metadata.stat;
      await copyContent({ filesystem, id: source.id, sizeBytes, handle, signal, onWritten });
      await setMetadata(handle, metadata, this.#onUnset(source));
      if (sync) await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /**
   * Make a link, device, fifo or socket. They can't be held open while they get their metadata, so they are made in a
   * directory of their own, where nobody else comes to put another file in their place, and which hands down no ACL.
   */
  async #copyInRoom(
    source: CopySource,
    metadata: FileMetadata,
    parent: TargetDirectory,
    partial: Buffer,
  ): Promise<void> {
    const { type, permissions, device } = metadata.stat;
    const roomName = parent.partialName();
    const room = await parent.make(roomName);
    try {
      dropInherited(room.handle.fd);
      const path = room.path(partial);
      if (type === 'symlink') await symlink(unescapeName(await this.#options.filesystem.readlink(source.id)), path);
      else makeNode(path, type as NodeType, permissions, device);
      await setPathMetadata(path, metadata, this.#onUnset(source));
      await rename(path, parent.path(partial));
    } finally {
      await room.discard(partial);
      await room.close();
      await parent.removeEmpty(roomName);
    }
  }

  #onUnset({ path }: CopySource): OnUnset {
    return (reason) => {
      this.#options.problems.noteUnset(path, reason);
    };
  }
}

/** @throws {UmbraError} TARGET_EXISTS */
async function assertReplaceable(parent: TargetDirectory, name: Buffer, stat: FileStat): Promise<void> {
  const there = await parent.lstat(name);
  const what = there === undefined ? undefined : irreplaceable(there, stat);
  if (what !== undefined) throw inTheWay(what);
}

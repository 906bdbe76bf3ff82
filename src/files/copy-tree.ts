import type { DirectoryItem, FileId } from '../../mount/filesystems/filesystem.js';
import { systemCode, UmbraError } from '../common/errors.js';
import { setMetadata, type FileMetadata } from './copy-metadata.js';
import { FileCopier, type CopyPlace, type CopySource, type FileCopierOptions } from './copy-one-file.js';
import { CopyProblems, inTheWay } from './copy-problems.js';
import { isDamage } from './damage.js';
import { hostName, shownNameIn } from './host-name.js';
import { sweepPartials } from './sweep-partials.js';
import type { TargetDirectory } from './target-directory.js';
import { TaskPool } from './task-pool.js';

/** As of {@link FileCopierOptions}. */
export type CopyTreeOptions = Omit<FileCopierOptions, 'problems' | 'top'>;

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

/**
 * Copies files of a guest with everything they have. Each gets its name when it is complete; directories get their
 * metadata when all that is in them is there. What can't be read or written is noted, and the rest is copied.
 */
export class CopyTree {
  readonly #options: CopyTreeOptions;
  readonly #problems: CopyProblems;
  readonly #files: FileCopier;
  /** In which everything lies that is copied. */
  readonly #top: TargetDirectory;
  readonly #tasks = new TaskPool(TASKS);
  readonly #entered = new Set<FileId>();

  constructor(options: CopyTreeOptions, top: TargetDirectory) {
    this.#options = options;
    this.#top = top;
    this.#problems = new CopyProblems(options.report, options.signal);
    this.#files = new FileCopier({ ...options, problems: this.#problems, top });
  }

  /**
   * Copy a file, or a directory with everything in it, to a name in the top directory.
   * @throws {UmbraError} STORE_FAILED, CANCELLED; system errors after which nothing else can be written, and those of
   *   what was to be copied itself
   */
  async copy(source: CopySource, name: Buffer): Promise<void> {
    const frames: Frame[] = [];
    try {
      const first = await this.#copyOne(source, { parent: this.#top, names: [name], name });
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
      this.#problems.noteRead(frame.source.path, error);
      return undefined;
    }
  }

  async #copyItem(frame: Frame, item: DirectoryItem, depth: number): Promise<Frame | undefined> {
    const path = `${frame.source.path}/${item.name}`;
    if (depth >= MAX_DEPTH && item.type === 'directory') {
      this.#options.report.add('read', path, `directories deeper than ${MAX_DEPTH} are not copied`);
      return undefined;
    }
    try {
      const name = hostName(item.name) ?? (await this.#shownName(frame, item, path));
      const place = { parent: frame.target, names: [...frame.names, name], name };
      return await this.#copyOne({ id: item.id, path }, place);
    } catch (error) {
      this.#problems.note(path, error);
      return undefined;
    }
  }

  async #shownName({ source }: Frame, { name }: DirectoryItem, path: string): Promise<Buffer> {
    this.#problems.noteMetadata(path, 'its name is none that a file of Linux can have; copied as it is shown');
    return await shownNameIn(this.#options.filesystem, source.id, name);
  }

  /** Copy a file, or begin with a directory. */
  async #copyOne(source: CopySource, place: CopyPlace): Promise<Frame | undefined> {
    const metadata = await this.#metadata(source);
    if (metadata === undefined) return undefined;
    try {
      if (metadata.stat.type === 'directory') return await this.#beginDirectory(source, metadata, place);
      if (await this.#files.linked(source, metadata.stat, place)) return undefined;
      const copy = (): Promise<void> => this.#copyFile(source, metadata, place);
      // Of a file with several names, the first must be there before the next.
      await (metadata.stat.nlink > 1 ? copy() : this.#tasks.run(copy));
    } catch (error) {
      this.#note(source, place, error);
    }
    return undefined;
  }

  #note({ path }: CopySource, { names }: CopyPlace, error: unknown): void {
    if (names.length === 1) this.#problems.noteTop(path, error);
    else this.#problems.note(path, error);
  }

  async #copyFile(source: CopySource, metadata: FileMetadata, place: CopyPlace): Promise<void> {
    try {
      await this.#files.copy(source, metadata, place);
    } catch (error) {
      this.#note(source, place, error);
    }
  }

  /** What is known of a file; undefined if that can't be read. */
  async #metadata({ id, path }: CopySource): Promise<FileMetadata | undefined> {
    const { filesystem } = this.#options;
    try {
      const stat = await filesystem.stat(id);
      try {
        return { stat, xattrs: stat.mayHaveXattrs ? await filesystem.xattrs(id) : new Map() };
      } catch (error) {
        if (!isDamage(error)) throw error;
        this.#options.report.add('metadata', path, error);
        return { stat, xattrs: new Map() };
      }
    } catch (error) {
      this.#problems.noteRead(path, error);
      return undefined;
    }
  }

  async #beginDirectory(
    source: CopySource,
    metadata: FileMetadata,
    { parent, names, name }: CopyPlace,
  ): Promise<Frame> {
    if (this.#entered.has(source.id)) {
      throw new UmbraError('FILESYSTEM_DAMAGED', 'it leads in a circle');
    }
    this.#entered.add(source.id);
    const target = await this.#directoryFor(parent, name);
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
      const target = await parent.into(name);
      await sweepPartials(target);
      return target;
    }
  }

  async #finishDirectory({ source, metadata, target }: Frame): Promise<void> {
    // Files in it are still being written, and that would change its times.
    await this.#tasks.drain();
    await setMetadata(target.handle, metadata, (reason) => {
      this.#problems.noteUnset(source.path, reason);
    });
    await target.close();
    this.#options.report.counts.directories++;
  }
}

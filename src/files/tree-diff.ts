import type { DirectoryItem, FileId, FileStat, Filesystem } from '../../mount/filesystems/filesystem.js';
import { UmbraError } from '../common/errors.js';
import { sameContent } from './compare-content.js';
import { metadataDifferences } from './compare-stat.js';
import { isDamage, type UnreadPaths } from './damage.js';
import { DirectoryReader, WHOLE_DIRECTORY, type DirectoryEntries, type DirectoryPart } from './directory-entries.js';
import type { Differences, OneSided } from './differences.js';
import type { OpenedVersion } from './opened-version.js';
import type { Verdicts } from './verdicts.js';
import type { VolumeChanges } from './volume-changes.js';
import { walkTree } from './walk-tree.js';

/** A directory of one side. */
export interface DiffSide {
  readonly filesystem: Filesystem;
  readonly id: FileId;
  readonly path: string;
}

export interface TreeDiffOptions {
  readonly from: OpenedVersion;
  readonly to: OpenedVersion;
  /** What changed in the volumes; undefined for those of two machines. */
  readonly changes: VolumeChanges | undefined;
  readonly verdicts: Verdicts;
  readonly signal: AbortSignal;
  readonly differences: Differences;
  readonly unread: UnreadPaths;
  /** Called with the bytes of each side that were read to compare contents. */
  readonly onRead: (bytes: number) => void;
  /** Called with the number of files compared. */
  readonly onFile: (count: number) => void;
  /** Tests have small parts. */
  readonly directories?: DirectoryReader;
}

interface Pair {
  readonly from: FileId;
  readonly to: FileId;
  readonly path: string;
  readonly part: DirectoryPart;
}

/** How often it is said how far it is. */
const REPORT_EVERY = 1_000;

/**
 * Compares the files of one file system in two shadow copies. Memory is taken for a part of one directory at a time, and
 * for what is pending.
 */
export class TreeDiff {
  readonly #options: TreeDiffOptions;
  readonly #reader: DirectoryReader;
  #from: Filesystem | undefined;
  #to: Filesystem | undefined;
  #files = 0;

  constructor(options: TreeDiffOptions) {
    this.#options = options;
    this.#reader = options.directories ?? new DirectoryReader();
  }

  /** @throws {UmbraError} STORE_FAILED, CANCELLED */
  async directories(from: DiffSide, to: DiffSide): Promise<void> {
    this.#from = from.filesystem;
    this.#to = to.filesystem;
    const pending: Pair[] = [{ from: from.id, to: to.id, path: to.path, part: WHOLE_DIRECTORY }];
    const entered = new Set<FileId>([to.id]);
    for (let pair = pending.pop(); pair !== undefined; pair = pending.pop()) {
      const found = await this.#directory(from.filesystem, to.filesystem, pair);
      for (let next = found.pop(); next !== undefined; next = found.pop()) {
        if (next.part.count > 1) pending.push(next);
        else if (entered.has(next.to)) this.#unread(next.path, circle(next.path));
        else {
          entered.add(next.to);
          pending.push(next);
        }
      }
    }
  }

  /** Everything in a file system that only one side has. */
  async onlyOne(change: 'added' | 'removed', side: DiffSide): Promise<void> {
    await this.#one(change, side.filesystem, { name: '', id: side.id }, side.path);
  }

  /** Give out what one side alone has, and find out what of it was renamed. */
  async settleRenames(): Promise<void> {
    await this.#options.differences.settle((from, to) => this.#matchRename(from, to));
  }

  /** Compare two directories. @returns the directories in them that both have, or the parts in which to compare them */
  async #directory(from: Filesystem, to: Filesystem, pair: Pair): Promise<Pair[]> {
    const before = await this.#list(from, pair.from, pair);
    const after = before === undefined ? undefined : await this.#list(to, pair.to, pair);
    if (before === undefined || after === undefined) return [];
    if (typeof before !== 'number' && typeof after !== 'number')
      return await this.#entries(from, to, pair, before, after);
    const most = Math.max(...[before, after].map((entries) => (typeof entries === 'number' ? entries : entries.size)));
    return this.#reader.parts(most).map((part) => ({ ...pair, part }));
  }

  async #entries(
    from: Filesystem,
    to: Filesystem,
    { path: above }: Pair,
    before: Exclude<DirectoryEntries, number>,
    after: Exclude<DirectoryEntries, number>,
  ): Promise<Pair[]> {
    const found: Pair[] = [];
    for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
      this.#options.signal.throwIfAborted();
      const [a, b] = [before.get(name), after.get(name)];
      const path = `${above}/${name}`;
      if (a === undefined && b !== undefined) await this.#one('added', to, b, path);
      else if (a !== undefined && b === undefined) await this.#one('removed', from, a, path);
      else if (a !== undefined && b !== undefined && (await this.#both(from, to, a, b, path))) {
        found.push({ from: a.id, to: b.id, path, part: WHOLE_DIRECTORY });
      }
    }
    return found;
  }

  /** The entries of a directory; undefined if it can't be read: then nothing in it is said to have come or gone. */
  async #list(filesystem: Filesystem, id: FileId, { path, part }: Pair): Promise<DirectoryEntries | undefined> {
    try {
      return await this.#reader.read(filesystem, id, part);
    } catch (error) {
      this.#unread(path, error);
      return undefined;
    }
  }

  /** Compare two files of the same path. @returns true if both are directories */
  async #both(from: Filesystem, to: Filesystem, a: DirectoryItem, b: DirectoryItem, path: string): Promise<boolean> {
    this.#count();
    try {
      const [before, after] = [await from.stat(a.id), await to.stat(b.id)];
      const isDirectory = before.type === 'directory' && after.type === 'directory';
      if (!isDirectory && (before.type === 'directory' || after.type === 'directory')) {
        await this.#one('removed', from, a, path);
        await this.#one('added', to, b, path);
        return false;
      }
      await this.#compare({ path, id: a.id, stat: before }, { path, id: b.id, stat: after });
      return isDirectory;
    } catch (error) {
      this.#unread(path, error);
      return false;
    }
  }

  async #compare(from: OneSided, to: OneSided): Promise<void> {
    const what = await this.#whatDiffers(from, to);
    if (what.length === 0) return;
    const isChanged = what.some((difference) => ['content', 'type', 'target', 'device'].includes(difference));
    const { type } = to.stat;
    await this.#options.differences.add({
      change: isChanged ? 'changed' : 'metadata',
      path: to.path,
      type,
      what,
      ...(type === 'file' ? { fromBytes: from.stat.sizeBytes, toBytes: to.stat.sizeBytes } : {}),
    });
  }

  async #whatDiffers(from: OneSided, to: OneSided): Promise<string[]> {
    const [a, b] = [this.#side('from', from), this.#side('to', to)];
    const what: string[] = await metadataDifferences(a, b);
    if (from.stat.type === 'file' && to.stat.type === 'file' && !(await this.#sameContent(from, to))) {
      what.unshift('content');
    }
    // That of a directory says only that something in it came or went, which is told anyway.
    return to.stat.type === 'directory' ? what.filter((difference) => difference !== 'mtime') : what;
  }

  async #sameContent(from: OneSided, to: OneSided): Promise<boolean> {
    if (from.stat.sizeBytes !== to.stat.sizeBytes) return false;
    const { changes, verdicts, signal, onRead } = this.#options;
    const options = { verdicts, signal, onRead, ...(changes === undefined ? {} : { changes }) };
    return await sameContent(this.#side('from', from), this.#side('to', to), options);
  }

  #side(which: 'from' | 'to', file: OneSided): OneSided & Pick<DiffSide, 'filesystem'> & Pick<OpenedVersion, 'layout'> {
    const filesystem = which === 'from' ? this.#from : this.#to;
    if (filesystem === undefined) throw new UmbraError('INTERNAL', 'files of one side are compared');
    return { ...file, filesystem, layout: this.#options[which].layout };
  }

  /** A file that one side has, with everything in it. */
  async #one(change: 'added' | 'removed', filesystem: Filesystem, item: DirectoryItem, path: string): Promise<void> {
    const { signal } = this.#options;
    const stat = await this.#oneFile(change, filesystem, item.id, path);
    if (stat?.type !== 'directory') return;
    const below = walkTree({
      filesystem,
      id: item.id,
      path,
      state: undefined,
      step: () => undefined,
      enters: () => true,
      onError: (at, error) => {
        this.#unread(at, error, change === 'removed' ? this.#options.from : this.#options.to);
      },
      signal,
    });
    for await (const {
      path: at,
      item: { id },
    } of below)
      await this.#oneFile(change, filesystem, id, at);
  }

  async #oneFile(
    change: 'added' | 'removed',
    filesystem: Filesystem,
    id: FileId,
    path: string,
  ): Promise<FileStat | undefined> {
    this.#count();
    try {
      const stat = await filesystem.stat(id);
      await this.#options.differences.addOneSided(change, { path, id, stat });
      return stat;
    } catch (error) {
      this.#unread(path, error, change === 'removed' ? this.#options.from : this.#options.to);
      return undefined;
    }
  }

  async #matchRename(from: OneSided, to: OneSided): Promise<readonly string[] | undefined> {
    if (from.stat.type !== to.stat.type || from.stat.birthNs !== to.stat.birthNs) return undefined;
    try {
      const what = await this.#whatDiffers(from, to);
      const isOther = what.some((difference) => ['content', 'target', 'device'].includes(difference));
      // A number is given again to new files. Without the time of birth, that of a change must do.
      const isNew = from.stat.birthNs === undefined && from.stat.mtimeNs !== to.stat.mtimeNs;
      return isOther || isNew ? undefined : what;
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  #unread(path: string, error: unknown, version = this.#options.to): void {
    this.#options.unread.add(version.listing.name, path, error);
  }

  #count(): void {
    if (++this.#files % REPORT_EVERY === 0) this.#options.onFile(this.#files);
  }
}

function circle(path: string): UmbraError {
  return new UmbraError('FILESYSTEM_DAMAGED', `the directory ${path} leads in a circle`);
}

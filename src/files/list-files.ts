import type { DirectoryItem, FileStat, Filesystem, JournalState } from '../../mount/filesystems/filesystem.js';
import { messageOf } from '../common/errors.js';
import { printable } from '../common/printable.js';
import type { GuestFilesystemInfo, ListedFile, ListFilesRequest, ListFilesResult } from '../protocol/files-api.js';
import { Batches } from './batches.js';
import { isDamage } from './damage.js';
import { linksDirectory } from './device-path.js';
import { locateFile, type FileLocation } from './file-location.js';
import type { Guest, GuestFiles } from './guest-files.js';
import { listLinks } from './list-links.js';
import { withVersion, type FilesContext } from './opened-version.js';
import { statInfoOf } from './stat-info.js';

export interface ListFilesOptions {
  readonly context: FilesContext;
  readonly request: ListFilesRequest;
  readonly signal: AbortSignal;
  /** Takes the entries, some at a time. */
  readonly emit: (items: readonly ListedFile[]) => Promise<void>;
}

/** Directories of up to so many entries are sorted by name; larger ones come in the guest's order. */
const MAX_SORTED = 10_000;

/**
 * The entries of a directory, or one file; without a path, the file systems of a shadow copy.
 * @throws {UmbraError} NOT_FOUND, FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED, STORE_FAILED, CANCELLED
 */
export async function listFiles(options: ListFilesOptions): Promise<ListFilesResult> {
  const { context, request } = options;
  const { path = '/' } = request;
  return await withVersion(context, request, `a listing of ${path}`, async ({ files, title, listing }) => {
    const named = { machine: listing.machine, shadowCopy: listing.name, path };
    if (path === '/') {
      return { ...named, isDirectory: true, filesystems: await describeAll(files), files: 0, damaged: 0 };
    }
    const by = linksDirectory(path);
    if (by !== undefined) {
      const links = await listLinks(files, by, listing.timeMs);
      await options.emit(request.details ? links : links.map(({ stat: _stat, ...link }) => link));
      return { ...named, isDirectory: true, files: links.length, damaged: 0 };
    }
    const file = await locateFile(files, path, { title });
    const lister = new Lister(options, file.filesystem);
    const isDirectory = file.stat.type === 'directory';
    if (isDirectory) await lister.directory(file);
    else await lister.one(file);
    return { ...named, path: file.path, isDirectory, files: lister.batches.count, damaged: lister.damaged };
  });
}

class Lister {
  readonly batches: Batches<ListedFile>;
  damaged = 0;
  readonly #options: ListFilesOptions;
  readonly #filesystem: Filesystem;

  constructor(options: ListFilesOptions, filesystem: Filesystem) {
    this.#options = options;
    this.#filesystem = filesystem;
    this.batches = new Batches(options.emit);
  }

  async one({ id, name, stat }: FileLocation): Promise<void> {
    await this.#list({ id, name, type: stat.type }, stat);
    await this.batches.flush();
  }

  async directory({ id }: FileLocation): Promise<void> {
    let kept: DirectoryItem[] = [];
    let isSorted = true;
    for await (const batch of this.#filesystem.readDirectory(id)) {
      kept.push(...batch);
      isSorted &&= kept.length <= MAX_SORTED;
      if (isSorted) continue;
      for (const item of kept) await this.#list(item);
      kept = [];
    }
    if (isSorted) kept.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const item of kept) await this.#list(item);
    await this.batches.flush();
  }

  async #list(item: DirectoryItem, known?: FileStat): Promise<void> {
    const { signal, request } = this.#options;
    signal.throwIfAborted();
    const { name, id, type } = item;
    const entry = { name, ...(type === undefined ? {} : { type }) };
    if (!request.details) {
      await this.batches.add(entry);
      return;
    }
    try {
      const stat = known ?? (await this.#filesystem.stat(id));
      await this.batches.add({ name, type: stat.type, stat: await statInfoOf(this.#filesystem, id, stat) });
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.damaged++;
      await this.batches.add({ ...entry, error: printable(messageOf(error)) });
    }
  }
}

async function describeAll(files: GuestFiles): Promise<GuestFilesystemInfo[]> {
  const described: GuestFilesystemInfo[] = [];
  for (const guest of await files.guests()) described.push(await describe(guest));
  return described;
}

async function describe({ name, sizeBytes, filesystem, unreadable }: Guest): Promise<GuestFilesystemInfo> {
  if (filesystem === undefined) {
    const text = printable((unreadable?.text ?? '').trimEnd().replaceAll('\n', ' '));
    return { name, type: '', label: '', uuid: '', sizeBytes, problems: [], unreadable: text };
  }
  const { type, label, uuid, journal, problems } = filesystem;
  const info = { name, type, label, uuid, sizeBytes, journal: journalText(journal), problems };
  try {
    const { blockBytes, blocks, freeBlocks } = await filesystem.usage();
    return { ...info, usedBytes: Math.max(0, blocks - freeBlocks) * blockBytes };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { ...info, problems: [...problems, messageOf(error)] };
  }
}

function journalText(journal: JournalState): string {
  return journal.state === 'ignored' ? `ignored: ${journal.reason}` : journal.state;
}

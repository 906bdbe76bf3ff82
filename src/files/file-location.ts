import type { DirectoryItem, FileId, FileStat, Filesystem } from '../../mount/filesystems/filesystem.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { suggest } from '../common/suggest.js';
import { devicePath } from './device-path.js';
import type { Guest, GuestFiles } from './guest-files.js';

/** A file of a guest, found by its path. */
export interface FileLocation {
  /** Of the file system, the first part of its path. */
  readonly device: string;
  /** As it was given, beginning with the device. */
  readonly path: string;
  readonly filesystem: Filesystem;
  readonly id: FileId;
  readonly stat: FileStat;
  /** Its last name; the device's for the top directory. */
  readonly name: string;
}

export interface LocateOptions {
  /** `MACHINE@SHADOW-COPY`, for errors. */
  readonly title: string;
  /** What a symbolic link at the end of the path leads to, instead of the link itself. */
  readonly followLast?: boolean;
  /** `refuse` is for a path that must not have any, not even at its end. */
  readonly links?: 'refuse';
}

/** As many symbolic links as Linux follows. */
const MAX_LINKS = 40;
/** Names of a directory that are looked at to find out what a wrong one was meant to be. */
const MAX_CANDIDATES = 5_000;

/**
 * Find a file by its path. Symbolic links are followed in the way, as long as they lead to somewhere in the same file
 * system: an absolute one is taken to begin at its top, since what the guest mounted where is not known.
 *
 * @param path absolute, `/vda1/etc/passwd` or `/by-label/root/etc/passwd`
 * @throws {UmbraError} NOT_FOUND, with what may have been meant; FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED
 */
export async function locateFile(files: GuestFiles, path: string, options: LocateOptions): Promise<FileLocation> {
  const { title, links } = options;
  // For the mount these names are links.
  const real = links === 'refuse' ? path : await devicePath(files, path, title);
  const [device = '', ...names] = real.split('/').filter((name) => name !== '');
  const guest = await files.guest(device);
  if (guest === undefined) throw await noSuchDevice(files, device, options);
  const filesystem = readable(guest);
  const walk = new Walk(filesystem, device, options);
  const id = await walk.run(names);
  return { device, path: real, filesystem, id, stat: await filesystem.stat(id), name: names.at(-1) ?? device };
}

/**
 * As {@link locateFile}; undefined if there is no such file.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED
 */
export async function locateFileIfThere(files: GuestFiles, path: string): Promise<FileLocation | undefined> {
  try {
    return await locateFile(files, path, { title: '' });
  } catch (error) {
    if (isUmbraError(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

/** @throws {UmbraError} FILESYSTEM_UNREADABLE for what has no files for us, FILESYSTEM_DAMAGED */
export function readable({ filesystem, unreadable }: Guest): Filesystem {
  if (filesystem !== undefined) return filesystem;
  const [reason = '', ...hint] = (unreadable?.text ?? '').trimEnd().split('\n');
  const code = unreadable?.cause === 'damaged' ? 'FILESYSTEM_DAMAGED' : 'FILESYSTEM_UNREADABLE';
  throw new UmbraError(code, reason, hint.length === 0 ? {} : { hint: hint.join(' ') });
}

/** One walk from the top of a file system to a file. */
class Walk {
  readonly #filesystem: Filesystem;
  readonly #title: string;
  readonly #options: LocateOptions;
  /** The directories from the top to where it is now, and their names. */
  #directories: { readonly id: FileId; readonly name: string }[];
  readonly #top: { readonly id: FileId; readonly name: string };
  #links = 0;

  constructor(filesystem: Filesystem, device: string, options: LocateOptions) {
    this.#filesystem = filesystem;
    this.#title = options.title;
    this.#options = options;
    this.#top = { id: filesystem.root, name: `/${device}` };
    this.#directories = [this.#top];
  }

  async run(names: readonly string[]): Promise<FileId> {
    const { followLast = false, links } = this.#options;
    const pending = [...names];
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (this.#directories.length > 1) this.#directories.pop();
        continue;
      }
      const { id } = this.#here;
      const item = await this.#lookup(id, name);
      const mustFollow = pending.length > 0 || followLast || links === 'refuse';
      const type = item.type ?? (await this.#filesystem.stat(item.id)).type;
      if (type === 'symlink' && mustFollow) pending.unshift(...(await this.#follow(item.id, name)));
      else this.#directories.push({ id: item.id, name: `${this.#here.name}/${name}` });
    }
    return this.#here.id;
  }

  get #here(): { readonly id: FileId; readonly name: string } {
    return this.#directories.at(-1) ?? this.#top;
  }

  async #lookup(directory: FileId, name: string): Promise<DirectoryItem> {
    const { type } = await this.#filesystem.stat(directory);
    if (type !== 'directory') {
      throw new UmbraError('NOT_FOUND', `${this.#here.name} of ${this.#title} is not a directory`);
    }
    const item = await this.#filesystem.lookup(directory, name);
    if (item !== undefined) return item;
    const meant = suggest(name, await this.#candidates(directory));
    throw new UmbraError('NOT_FOUND', `${this.#title} has no file ${this.#here.name}/${name}`, {
      hint:
        meant === undefined
          ? `"umbra ls ${this.#title}:${this.#here.name}" shows what is there.`
          : `Did you mean ${this.#here.name}/${meant}?`,
    });
  }

  async #candidates(directory: FileId): Promise<string[]> {
    const names: string[] = [];
    for await (const batch of this.#filesystem.readDirectory(directory)) {
      names.push(...batch.map((item) => item.name));
      if (names.length >= MAX_CANDIDATES) break;
    }
    return names;
  }

  async #follow(link: FileId, name: string): Promise<string[]> {
    if (this.#options.links === 'refuse') {
      throw new UmbraError('NOT_FOUND', `${this.#here.name}/${name} of ${this.#title} is a symbolic link`, {
        hint: `Give the way without it: it leads to ${await this.#filesystem.readlink(link)}.`,
      });
    }
    if (++this.#links > MAX_LINKS) {
      throw new UmbraError('NOT_FOUND', `${this.#here.name}/${name} leads through too many symbolic links`);
    }
    const target = await this.#filesystem.readlink(link);
    if (target.startsWith('/')) this.#directories = [this.#top];
    return target.split('/');
  }
}

async function noSuchDevice(files: GuestFiles, device: string, { title }: LocateOptions): Promise<UmbraError> {
  const guests = await files.guests();
  const names = guests.map(({ name }) => name);
  const meant = suggest(device, names);
  const known = guests.map(
    ({ name, filesystem }) => `/${name}${filesystem === undefined ? '' : ` (${filesystem.type})`}`,
  );
  const list = known.length === 0 ? 'No file system was found in its volumes.' : `It has ${known.join(', ')}.`;
  const what = device === '' ? `${title}: a path begins with a file system` : `${title} has no file system /${device}`;
  return new UmbraError('NOT_FOUND', what, {
    hint: meant === undefined ? list : `Did you mean /${meant}? ${list}`,
  });
}

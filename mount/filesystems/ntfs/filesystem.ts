import type {
  DirectoryItem,
  Extent,
  FileId,
  FileReader,
  Filesystem,
  FilesystemUsage,
  FileStat,
  JournalState,
} from '../filesystem.js';
import { UmbraError } from '../../../src/common/errors.js';
import { unescapeName } from '../names.js';
import { AttributeType } from './attribute.js';
import { contentExtents, openContent } from './content.js';
import type { NtfsCore } from './core.js';
import { DIRECTORY_INDEX, findName, listNames } from './directory.js';
import { loadFile, type NtfsFile } from './file.js';
import { packReference, unpackReference } from './file-record.js';
import { IndexTree } from './index-tree.js';
import { Inode } from './inode.js';
import { type LinkVolume, resolveLink } from './link-resolver.js';
import { Lru } from '../lru.js';
import { SystemFile } from './mft.js';
import { damaged } from './parse.js';
import { ownershipOf } from './permissions.js';
import { SecurityDescriptors } from './security.js';
import { readAll, streamOf } from './stream.js';
import { commonUpcase, parseUpcase, type UpcaseTable } from './upcase.js';
import { countUsage } from './usage.js';
import { readXattrs } from './xattrs.js';

const KEPT_FILES = 96;
const KEPT_DIRECTORIES = 6;
const UPCASE_BYTES = 128 * 1024;
const SECTOR_BYTES = 512;

/** What is known of a volume once it is open. */
export interface NtfsDescription {
  readonly core: NtfsCore;
  readonly label: string;
  readonly journal: JournalState;
  readonly problems: readonly string[];
  /** The packed reference of the top directory. */
  readonly root: number;
}

/** An NTFS volume, open for reading. */
export class NtfsFilesystem implements Filesystem {
  readonly type = 'ntfs';
  readonly label: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly journal: JournalState;
  readonly problems: readonly string[];
  readonly root: number;
  readonly #core: NtfsCore;
  readonly #files = new Lru<number, NtfsFile>(KEPT_FILES);
  readonly #directories = new Lru<number, IndexTree>(KEPT_DIRECTORIES);
  readonly #security: SecurityDescriptors;
  readonly #volume: LinkVolume;
  #upcase: Promise<UpcaseTable> | undefined;

  constructor({ core, label, journal, problems, root }: NtfsDescription) {
    this.#core = core;
    this.#security = new SecurityDescriptors(core);
    this.#volume = {
      root,
      file: (id) => this.#file(id),
      lookup: (directory, name) => this.lookup(directory, name),
    };
    this.label = label;
    this.uuid = core.geometry.serial.toString(16).toUpperCase().padStart(16, '0');
    this.sizeBytes = core.geometry.sizeBytes;
    this.journal = journal;
    this.problems = problems;
    this.root = root;
  }

  /** The record's, whatever was in it before. */
  place(id: FileId): number {
    return unpackReference(Number(id)).number;
  }

  async stat(id: FileId): Promise<FileStat> {
    const file = await this.#file(id);
    const { information, type, device, links, takenBytes } = file;
    // As Linux has it, the size of a link is its target's.
    const sizeBytes = type === 'symlink' ? unescapeName(await this.readlink(id)).length : file.sizeBytes;
    return {
      type,
      ...ownershipOf(type, file.wsl),
      nlink: links,
      sizeBytes,
      blocks: Math.ceil(takenBytes / SECTOR_BYTES),
      ...(device === undefined ? {} : { device }),
      mtimeNs: information.mtimeNs,
      atimeNs: information.atimeNs,
      ctimeNs: information.ctimeNs,
      birthNs: information.birthNs,
      mayHaveXattrs: true,
    };
  }

  async lookup(directory: FileId, name: string): Promise<DirectoryItem | undefined> {
    const tree = await this.#directory(directory);
    return await findName(tree, name, await this.#upcaseTable());
  }

  async *readDirectory(directory: FileId): AsyncGenerator<readonly DirectoryItem[]> {
    yield* listNames(await this.#directory(directory));
  }

  async readlink(id: FileId): Promise<string> {
    return await resolveLink(this.#volume, await this.#file(id));
  }

  async open(id: FileId): Promise<FileReader> {
    return await openContent(this.#core, await this.#file(id));
  }

  async *extents(id: FileId): AsyncGenerator<Extent> {
    yield* contentExtents(this.#core, await this.#file(id));
  }

  async xattrs(id: FileId): Promise<ReadonlyMap<string, Uint8Array>> {
    return await readXattrs(this.#core, this.#security, await this.#file(id));
  }

  async usage(): Promise<FilesystemUsage> {
    return await countUsage(this.#core);
  }

  async #file(id: FileId): Promise<NtfsFile> {
    const key = Number(id);
    return this.#files.get(key) ?? this.#files.set(key, await loadFile(this.#core, key));
  }

  async #directory(id: FileId): Promise<IndexTree> {
    const key = Number(id);
    return this.#directories.get(key) ?? (await this.#openDirectory(key));
  }

  async #openDirectory(id: number): Promise<IndexTree> {
    const { type, inode } = await this.#file(id);
    if (type !== 'directory') throw damaged(`file ${inode.record.number} is no directory`);
    return this.#directories.set(id, await IndexTree.open(this.#core, inode, DIRECTORY_INDEX));
  }

  #upcaseTable(): Promise<UpcaseTable> {
    this.#upcase ??= loadUpcase(this.#core).catch((error: unknown) => {
      // It may be readable the next time.
      this.#upcase = undefined;
      throw error;
    });
    return this.#upcase;
  }
}

/** Without its table a volume can still be shown: the common one differs in few letters. */
async function loadUpcase(core: NtfsCore): Promise<UpcaseTable> {
  try {
    const inode = await Inode.loadRecord(core, SystemFile.UPCASE);
    const stream = streamOf(core, await inode.parts(AttributeType.DATA, ''));
    return parseUpcase(await readAll(core, stream, UPCASE_BYTES));
  } catch (error) {
    if (!(error instanceof UmbraError) || error.code !== 'FILESYSTEM_DAMAGED') throw error;
    return commonUpcase();
  }
}

/** The packed reference of the top directory. */
export async function rootReference(core: NtfsCore): Promise<number> {
  const { record } = await Inode.loadRecord(core, SystemFile.ROOT);
  return packReference(record);
}

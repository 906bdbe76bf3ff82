import { after, type Eventually } from '../../../src/common/eventually.js';
import { UmbraError } from '../../../src/common/errors.js';
import type {
  DirectoryItem,
  Extent,
  FileId,
  FileReader,
  FileStat,
  Filesystem,
  FilesystemUsage,
  JournalState,
} from '../filesystem.js';
import { escapeName, unescapeName } from '../names.js';
import { readAttributes } from './attributes.js';
import { damaged } from './damaged.js';
import { Directory } from './directory.js';
import type { RawEntry } from './directory-entry.js';
import { FileContent } from './file.js';
import { forkMap } from './fork-map.js';
import type { Inode } from './inode.js';
import { Inodes } from './inodes.js';
import { Lru } from '../lru.js';
import type { Metadata } from './metadata.js';
import { uuidText } from './superblock.js';
import { readTarget } from './symlink.js';
import { countGroups, usageOf } from './usage.js';

/** Directories kept open, each with at most one leaf of extents. */
const OPEN_DIRECTORIES = 16;

/** Kept inodes, directories and leaves of extents. */
const OWN_BYTES = 512 * 1024;

/** What was found out when the file system was opened. */
export interface Opened {
  readonly metadata: Metadata;
  readonly journal: JournalState;
  readonly problems: readonly string[];
  /** The counters of the superblock are those of a clean unmount. */
  readonly countersAreRight: boolean;
  /** Of what the replayed log keeps in memory. */
  readonly overlayBytes: number;
}

/** XFS of version 4 or 5. */
export class XfsFilesystem implements Filesystem {
  readonly type = 'xfs';
  readonly label: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly journal: JournalState;
  readonly problems: readonly string[];
  readonly memoryBytes: number;
  readonly root: FileId;
  readonly #metadata: Metadata;
  readonly #countersAreRight: boolean;
  readonly #inodes: Inodes;
  readonly #directories = new Lru<number, Directory>(OPEN_DIRECTORIES);

  constructor({ metadata, journal, problems, countersAreRight, overlayBytes }: Opened) {
    const { superblock } = metadata.geometry;
    this.label = superblock.label;
    this.uuid = uuidText(superblock.uuid);
    this.sizeBytes = superblock.dataBlocks * superblock.blockBytes;
    this.root = superblock.rootInode;
    this.journal = journal;
    this.problems = problems;
    this.memoryBytes = OWN_BYTES + overlayBytes;
    this.#metadata = metadata;
    this.#countersAreRight = countersAreRight;
    this.#inodes = new Inodes(metadata);
  }

  stat(id: FileId): Eventually<FileStat> {
    return after(this.#inodes.get(id), ({ stat }) => stat);
  }

  async lookup(directory: FileId, name: string): Promise<DirectoryItem | undefined> {
    const entry = await (await this.#directory(directory)).find(unescapeName(name));
    return entry === undefined ? undefined : itemOf(entry);
  }

  async *readDirectory(directory: FileId): AsyncGenerator<readonly DirectoryItem[]> {
    for await (const entries of (await this.#directory(directory)).entries()) {
      if (entries.length > 0) yield entries.map(itemOf);
    }
  }

  async readlink(id: FileId): Promise<string> {
    return await readTarget(this.#metadata, await this.#inodes.get(id));
  }

  async open(id: FileId): Promise<FileReader> {
    return this.#content(await this.#inodes.get(id));
  }

  async *extents(id: FileId): AsyncGenerator<Extent> {
    yield* this.#content(await this.#inodes.get(id)).extents();
  }

  async xattrs(id: FileId): Promise<ReadonlyMap<string, Uint8Array>> {
    return await readAttributes(this.#metadata, await this.#inodes.get(id));
  }

  async usage(): Promise<FilesystemUsage> {
    const { superblock } = this.#metadata.geometry;
    return usageOf(this.#metadata, this.#countersAreRight ? superblock : await countGroups(this.#metadata));
  }

  #content(inode: Inode): FileContent {
    if (inode.stat.type !== 'file') throw damaged(`inode ${inode.number} is no regular file`);
    if (inode.isRealtime && inode.sizeBytes > 0) throw onRealtimeDevice(inode.number);
    const { geometry, reader } = this.#metadata;
    return new FileContent(geometry, reader.source, forkMap(this.#metadata, inode.number, inode.data), inode.sizeBytes);
  }

  async #directory(id: FileId): Promise<Directory> {
    const kept = this.#directories.get(Number(id));
    if (kept !== undefined) return kept;
    const inode = await this.#inodes.get(id);
    if (inode.stat.type !== 'directory') throw damaged(`inode ${id} is no directory`);
    const map = inode.data.format === 'local' ? undefined : forkMap(this.#metadata, inode.number, inode.data);
    return this.#directories.set(inode.number, new Directory(this.#metadata, inode, map));
  }
}

function itemOf({ name, inode, type }: RawEntry): DirectoryItem {
  const item = { name: escapeName(name), id: inode };
  return type === undefined ? item : { ...item, type };
}

function onRealtimeDevice(number: number): UmbraError {
  return new UmbraError('FILESYSTEM_UNREADABLE', `the content of inode ${number} is on the realtime device`, {
    hint: 'Give the volumes of both devices to a system with XFS; only the data device is read here.',
  });
}

import { isUmbraError, UmbraError } from '../../../src/common/errors.js';
import { after, type Eventually } from '../../../src/common/eventually.js';
import type { MetadataReader } from '../../blocks/block-cache.js';
import type {
  DirectoryItem,
  Extent,
  FileId,
  FileReader,
  FileStat,
  Filesystem,
  FilesystemUsage,
} from '../filesystem.js';
import { escapeUtf16, unescapeUtf16 } from '../names.js';
import type { ByteRuns, ClusterGeometry } from './byte-runs.js';
import { ClusterFile } from './cluster-file.js';
import { DirectoryCache, type DirectoryFacts, type IndexedEntry } from './directory-cache.js';
import { DIRECTORY, DOS_ATTRIBUTES_XATTR, dosAttributes, hasDosAttributes } from './dos-attributes.js';
import { type EntryFacts, statOf } from './entry-stat.js';
import { Lru } from '../lru.js';

/** A file in a directory. */
export interface NamedEntry {
  /** UTF-16, not escaped. */
  readonly name: string;
  /** Another name by which it is found; the same if it has none. */
  readonly alias: string;
  readonly id: number;
  /** The slot of the directory in which it begins. */
  readonly slot: number;
  readonly isDirectory: boolean;
}

/** What the directory says of a file. */
export interface ClusterEntry extends EntryFacts {
  readonly firstCluster: number;
  /** Of a regular file. */
  readonly sizeBytes: number;
  /** What lies behind was never written: zeros. */
  readonly validBytes: number;
  /** How many clusters it has if they follow each other and the table says nothing of them. */
  readonly contiguousClusters?: number;
}

/** What is known once it is open. */
export interface ClusterFilesystemParts {
  readonly reader: MetadataReader;
  readonly geometry: ClusterGeometry & { readonly clusters: number };
  readonly label: string;
  readonly serial: number;
  readonly sizeBytes: number;
  readonly problems: readonly string[];
}

/**
 * The number of the top directory, which has no entry. Others' numbers tell where their entries stand, and none stands
 * in the first sector.
 */
export const ROOT = 1;
/** The top directory, as Linux shows it: without times. */
export const ROOT_FACTS: EntryFacts = {
  attributes: DIRECTORY,
  isDirectory: true,
  mtimeNs: 0n,
  atimeNs: 0n,
  birthNs: undefined,
};

const LIST_BYTES = 64 * 1024;
const MAX_KEPT_RUNS = 64;

/** What FAT and exFAT have in common: files are chains of clusters, and all that is known of one stands in its directory. */
export abstract class ClusterFilesystem implements Filesystem {
  abstract readonly type: string;
  readonly label: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly journal = { state: 'none' } as const;
  readonly problems: readonly string[];
  readonly root = ROOT;
  protected readonly reader: MetadataReader;
  readonly #geometry: ClusterFilesystemParts['geometry'];
  readonly #directories = new DirectoryCache();
  readonly #runs = new Lru<number, ByteRuns>(MAX_KEPT_RUNS);
  #usage: Promise<FilesystemUsage> | undefined;

  constructor({ reader, geometry, label, serial, sizeBytes, problems }: ClusterFilesystemParts) {
    this.reader = reader;
    this.#geometry = geometry;
    this.label = label;
    this.uuid = uuidOf(serial);
    this.sizeBytes = sizeBytes;
    this.problems = problems;
  }

  /** The entry of a file; at once if it is in memory. */
  protected abstract entry(id: number): ClusterEntry | Promise<ClusterEntry>;
  /** Where the bytes of a file stand. */
  protected abstract runsOf(id: number, entry: ClusterEntry): ByteRuns;
  /** The files in a directory from a slot on, in batches, reading no more than `pieceBytes` at once. */
  protected abstract scan(
    directory: number,
    runs: ByteRuns,
    fromSlot: number,
    pieceBytes: number,
  ): AsyncIterable<readonly NamedEntry[]>;
  /** The most that an entry with its name takes. */
  protected abstract readonly entryBytes: number;
  /** A name as it is compared. */
  protected abstract fold(name: string): string;
  protected abstract countFree(): Promise<number>;

  stat(id: FileId): Eventually<FileStat> {
    return after(this.entry(Number(id)), (entry) => {
      const { clusterBytes } = this.#geometry;
      if (entry.isDirectory) return this.#directoryStat(id, entry);
      return statOf(entry, { sizeBytes: entry.sizeBytes, clusterBytes, nlink: 1 });
    });
  }

  async #directoryStat(id: FileId, entry: ClusterEntry): Promise<FileStat> {
    const { clusterBytes } = this.#geometry;
    const { subdirectories } = await this.#facts(id);
    return statOf(entry, { sizeBytes: await this.#directoryBytes(id), clusterBytes, nlink: subdirectories + 2 });
  }

  async lookup(directory: FileId, name: string): Promise<DirectoryItem | undefined> {
    const wanted = unescapeUtf16(name);
    // As in Windows and Linux, dots at a name's end do not count.
    const withoutDots = wanted.replace(/\.+$/, '');
    const known = this.#facts(directory);
    const facts = known instanceof Promise ? await known : known;
    const found = await this.#find(directory, facts, this.fold(wanted));
    const entry =
      found ?? (withoutDots === wanted ? undefined : await this.#find(directory, facts, this.fold(withoutDots)));
    if (entry === undefined && facts.damage !== undefined) throw facts.damage;
    return entry && itemOf(entry);
  }

  async *readDirectory(directory: FileId): AsyncGenerator<readonly DirectoryItem[]> {
    for await (const entries of this.#entries(directory)) yield entries.map(itemOf);
  }

  readlink(id: FileId): Promise<string> {
    return Promise.reject(new UmbraError('FILESYSTEM_DAMAGED', `file ${id} is not a symbolic link`));
  }

  async open(id: FileId): Promise<FileReader> {
    return await this.#file(id);
  }

  async *extents(id: FileId): AsyncGenerator<Extent> {
    yield* (await this.#file(id)).extents();
  }

  async xattrs(id: FileId): Promise<ReadonlyMap<string, Uint8Array>> {
    const { attributes, birthNs } = await this.entry(Number(id));
    if (!hasDosAttributes(attributes)) return new Map();
    return new Map([[DOS_ATTRIBUTES_XATTR, dosAttributes(attributes, birthNs)]]);
  }

  usage(): Promise<FilesystemUsage> {
    return (this.#usage ??= this.#count());
  }

  async #count(): Promise<FilesystemUsage> {
    const { clusterBytes, clusters } = this.#geometry;
    try {
      const freeBlocks = await this.countFree();
      return { blockBytes: clusterBytes, blocks: clusters, freeBlocks, files: 0, freeFiles: 0 };
    } catch (error) {
      this.#usage = undefined;
      throw error;
    }
  }

  async #file(id: FileId): Promise<ClusterFile> {
    const entry = await this.entry(Number(id));
    if (entry.isDirectory) throw new UmbraError('FILESYSTEM_DAMAGED', `file ${id} is a directory`);
    return new ClusterFile(this.reader.source, this.#keptRuns(id, entry), entry.sizeBytes, entry.validBytes);
  }

  #keptRuns(id: FileId, entry: ClusterEntry): ByteRuns {
    const key = Number(id);
    return this.#runs.get(key) ?? this.#runs.set(key, this.runsOf(key, entry));
  }

  async #directoryRuns(id: FileId): Promise<ByteRuns> {
    const entry = await this.entry(Number(id));
    if (!entry.isDirectory) throw new UmbraError('FILESYSTEM_DAMAGED', `file ${id} is not a directory`);
    return this.#keptRuns(id, entry);
  }

  /** How much a directory takes; 0 if that cannot be told. */
  async #directoryBytes(id: FileId): Promise<number> {
    try {
      return await (await this.#directoryRuns(id)).length();
    } catch (error) {
      if (isUmbraError(error, 'FILESYSTEM_DAMAGED')) return 0;
      throw error;
    }
  }

  async *#entries(directory: FileId, fromSlot = 0, pieceBytes = LIST_BYTES): AsyncGenerator<readonly NamedEntry[]> {
    yield* this.scan(Number(directory), await this.#directoryRuns(directory), fromSlot, pieceBytes);
  }

  #facts(directory: FileId): DirectoryFacts | Promise<DirectoryFacts> {
    return this.#directories.get(directory, () => this.#indexed(directory));
  }

  async *#indexed(directory: FileId): AsyncGenerator<readonly IndexedEntry[]> {
    for await (const entries of this.#entries(directory)) yield entries.map((entry) => this.#indexedEntry(entry));
  }

  #indexedEntry({ name, alias, slot, isDirectory }: NamedEntry): IndexedEntry {
    const keys = name === alias ? [this.fold(name)] : [this.fold(name), this.fold(alias)];
    return { keys, slot, isDirectory };
  }

  /** The entry of that name; an entry's own name comes before another's alias. */
  async #find(directory: FileId, { index }: DirectoryFacts, folded: string): Promise<NamedEntry | undefined> {
    let byAlias: NamedEntry | undefined;
    for (const slot of index.slots(folded)) {
      const entry = await this.#entryAt(directory, slot);
      if (entry === undefined) continue;
      if (this.fold(entry.name) === folded) return entry;
      if (this.fold(entry.alias) === folded) byAlias ??= entry;
    }
    return byAlias;
  }

  async #entryAt(directory: FileId, slot: number): Promise<NamedEntry | undefined> {
    for await (const [entry] of this.#entries(directory, slot, this.entryBytes)) if (entry !== undefined) return entry;
    return undefined;
  }
}

function itemOf({ name, id, isDirectory }: NamedEntry): DirectoryItem {
  return { name: escapeUtf16(name), id, type: isDirectory ? 'directory' : 'file' };
}

function uuidOf(serial: number): string {
  if (serial === 0) return '';
  const digits = serial.toString(16).toUpperCase().padStart(8, '0');
  return `${digits.slice(0, 4)}-${digits.slice(4)}`;
}

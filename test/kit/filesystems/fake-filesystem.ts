import { UmbraError } from '../../../src/common/errors.js';
import type { ByteSource } from '../../../mount/blocks/byte-source.js';
import type {
  DirectoryItem,
  Extent,
  FileId,
  FileReader,
  FileStat,
  Filesystem,
  FilesystemUsage,
  JournalState,
} from '../../../mount/filesystems/filesystem.js';

/** A file of the fake, and what is wrong with it. */
export interface FakeFile {
  readonly stat: FileStat;
  readonly children: Map<string, FileId>;
  readonly target: string;
  /** Bytes, or where they stand in the source. */
  readonly content: Uint8Array | { readonly offset: number; readonly length: number };
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Every look at it fails. */
  readonly damaged: boolean;
}

const STAT: FileStat = {
  type: 'file',
  permissions: 0o644,
  nlink: 1,
  uid: 1000,
  gid: 1000,
  sizeBytes: 0,
  blocks: 0,
  mtimeNs: 1_700_000_000_123_456_789n,
  atimeNs: 1_700_000_001_223_456_789n,
  ctimeNs: 1_700_000_002_323_456_789n,
  mayHaveXattrs: false,
};

/** A file system in memory that counts what is asked of it. */
export class FakeFilesystem implements Filesystem {
  readonly type: string = 'fake';
  label = '';
  uuid = '';
  readonly sizeBytes: number;
  journal: JournalState = { state: 'clean' };
  problems: readonly string[] = [];
  memoryBytes = 1000;
  readonly root: FileId = 2;
  usageFigures: FilesystemUsage = { blockBytes: 4096, blocks: 1000, freeBlocks: 250, files: 100, freeFiles: 50 };
  /** How often each method was called. */
  readonly calls = { stat: 0, lookup: 0, readDirectory: 0, xattrs: 0, open: 0 };
  readonly #files = new Map<FileId, FakeFile>();
  readonly #source: ByteSource | undefined;
  #last = 2;

  constructor(source?: ByteSource) {
    this.#source = source;
    this.sizeBytes = source?.sizeBytes ?? 4096 * 1000;
    this.#files.set(this.root, fileOf({ type: 'directory', permissions: 0o755, nlink: 2 }));
  }

  /** Add a file at `path` (`a/b/c`); directories on the way must be there. */
  add(path: string, stat: Partial<FileStat>, parts: Partial<Omit<FakeFile, 'stat' | 'children'>> = {}): FileId {
    const id = ++this.#last;
    const length = parts.content?.length ?? parts.target?.length;
    const mayHaveXattrs = (parts.xattrs?.size ?? 0) > 0;
    const sized = { ...(length === undefined ? {} : { sizeBytes: length }), mayHaveXattrs, ...stat };
    this.#files.set(id, fileOf(sized, parts));
    this.link(path, id);
    return id;
  }

  /** Another name for a file. */
  link(path: string, id: FileId): void {
    const slash = path.lastIndexOf('/');
    const directory = this.#find(slash < 0 ? '' : path.slice(0, slash));
    directory.children.set(path.slice(slash + 1), id);
  }

  stat(id: FileId): Promise<FileStat> {
    this.calls.stat++;
    return this.#use(id, ({ stat }) => stat);
  }

  lookup(directory: FileId, name: string): Promise<DirectoryItem | undefined> {
    this.calls.lookup++;
    return this.#use(directory, ({ children }) => {
      const id = children.get(name);
      return id === undefined ? undefined : this.#item(name, id);
    });
  }

  async *readDirectory(directory: FileId): AsyncGenerator<readonly DirectoryItem[]> {
    this.calls.readDirectory++;
    const items = await this.#use(directory, ({ children }) => [...children]);
    for (let at = 0; at < items.length; at += 100) {
      yield items.slice(at, at + 100).map(([name, id]) => this.#item(name, id));
    }
  }

  readlink(id: FileId): Promise<string> {
    return this.#use(id, ({ target }) => target);
  }

  async open(id: FileId): Promise<FileReader> {
    this.calls.open++;
    const { content } = await this.#use(id, (file) => file);
    return {
      sizeBytes: content.length,
      read: (target, offset) => {
        const length = Math.max(0, Math.min(target.length, content.length - offset));
        if (content instanceof Uint8Array) {
          target.set(content.subarray(offset, offset + length));
          return length;
        }
        return this.#source?.read(target.subarray(0, length), content.offset + offset) ?? 0;
      },
    };
  }

  async *extents(id: FileId): AsyncGenerator<Extent> {
    const { content } = await this.#use(id, (file) => file);
    yield { kind: 'inline', offset: 0, length: content.length };
  }

  xattrs(id: FileId): Promise<ReadonlyMap<string, Uint8Array>> {
    this.calls.xattrs++;
    return this.#use(id, ({ xattrs }) => xattrs);
  }

  usage(): Promise<FilesystemUsage> {
    return Promise.resolve(this.usageFigures);
  }

  #item(name: string, id: FileId): DirectoryItem {
    return { name, id, type: this.#files.get(id)?.stat.type ?? 'file' };
  }

  #find(path: string): FakeFile {
    let id = this.root;
    for (const name of path.split('/').filter(Boolean)) id = this.#files.get(id)?.children.get(name) ?? id;
    const file = this.#files.get(id);
    if (file === undefined) throw new Error(`the fake has no ${path}`);
    return file;
  }

  async #use<T>(id: FileId, work: (file: FakeFile) => T): Promise<T> {
    await Promise.resolve();
    const file = this.#files.get(id);
    if (file === undefined || file.damaged) throw new UmbraError('FILESYSTEM_DAMAGED', `inode ${id} makes no sense`);
    return work(file);
  }
}

function fileOf(stat: Partial<FileStat>, parts: Partial<Omit<FakeFile, 'stat' | 'children'>> = {}): FakeFile {
  return {
    stat: { ...STAT, ...stat },
    children: new Map(),
    target: '',
    content: new Uint8Array(),
    xattrs: new Map(),
    damaged: false,
    ...parts,
  };
}

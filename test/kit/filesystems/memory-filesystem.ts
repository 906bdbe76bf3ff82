import type { Location } from '../../../mount/blocks/byte-source.js';
import type {
  DirectoryItem,
  Extent,
  FileId,
  FileReader,
  FileStat,
  Filesystem,
  FilesystemUsage,
  FileType,
} from '../../../mount/filesystems/filesystem.js';
import { UmbraError } from '../../../src/common/errors.js';

/** A file of a {@link MemoryFilesystem}. */
export interface MemoryFile {
  readonly type: FileType;
  readonly permissions?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtimeNs?: bigint;
  readonly atimeNs?: bigint;
  readonly ctimeNs?: bigint;
  readonly device?: { readonly major: number; readonly minor: number };
  readonly target?: string;
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
  /** Of a directory. */
  readonly entries?: Readonly<Record<string, FileId>>;
  /** Of a file. */
  readonly extents?: readonly MemoryExtent[];
  /** Everything about it but its name is an error. */
  readonly damaged?: boolean;
  /** From here on its content cannot be read. */
  readonly damagedFrom?: number;
}

/** A stretch of a file, one after the other. */
export type MemoryExtent =
  | { readonly kind: 'hole'; readonly length: number }
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'stored';
      readonly bytes: Uint8Array;
      readonly encoded?: boolean;
      readonly encoding?: string;
      readonly encodedFrom?: number;
      readonly locations: readonly Location[];
    };

/** A file system that is a table of files; number 1 is its top directory. */
export class MemoryFilesystem implements Filesystem {
  readonly type: string = 'memory';
  readonly label: string = '';
  readonly uuid: string = '';
  readonly sizeBytes: number = 1024 * 1024;
  readonly journal = { state: 'none' } as const;
  readonly problems: readonly string[] = [];
  readonly root = 1;
  /** How many files were looked at. */
  stats = 0;
  readonly #files: Map<FileId, MemoryFile>;

  constructor(files: Readonly<Record<number, MemoryFile>>) {
    this.#files = new Map(Object.entries(files).map(([id, file]) => [Number(id), file]));
  }

  /** From now on, everything about a file is an error. */
  damage(id: FileId): void {
    this.#files.set(id, { ...this.#file(id), damaged: true });
  }

  async stat(id: FileId): Promise<FileStat> {
    this.stats++;
    const file = this.#file(id);
    const entries = Object.values(file.entries ?? {});
    const sizeBytes = file.type === 'symlink' ? Buffer.byteLength(file.target ?? '') : extentsLength(file.extents);
    return Promise.resolve({
      type: file.type,
      permissions: file.permissions ?? (file.type === 'directory' ? 0o755 : 0o644),
      nlink:
        file.type === 'directory' ? 2 + entries.filter((child) => this.#isDirectory(child)).length : this.#links(id),
      uid: file.uid ?? 0,
      gid: file.gid ?? 0,
      sizeBytes,
      blocks: Math.ceil(sizeBytes / 512),
      ...(file.device === undefined ? {} : { device: file.device }),
      mtimeNs: file.mtimeNs ?? 1_000_000_000_000_000_001n,
      atimeNs: file.atimeNs ?? 1_000_000_000_000_000_002n,
      ctimeNs: file.ctimeNs ?? 1_000_000_000_000_000_003n,
      mayHaveXattrs: file.xattrs !== undefined,
    });
  }

  async lookup(directory: FileId, name: string): Promise<DirectoryItem | undefined> {
    const id = this.#file(directory).entries?.[name];
    return Promise.resolve(id === undefined ? undefined : this.#item(name, id));
  }

  async *readDirectory(directory: FileId): AsyncGenerator<readonly DirectoryItem[]> {
    const items = Object.entries(this.#file(directory).entries ?? {}).map(([name, id]) => this.#item(name, id));
    for (let at = 0; at < items.length; at += 2) yield await Promise.resolve(items.slice(at, at + 2));
  }

  async readlink(id: FileId): Promise<string> {
    return Promise.resolve(this.#file(id).target ?? '');
  }

  async open(id: FileId): Promise<FileReader> {
    const { extents = [], damagedFrom = Infinity } = this.#file(id);
    const bytes = Buffer.concat(
      extents.map((extent) => ('bytes' in extent ? extent.bytes : Buffer.alloc(extent.length))),
    );
    return Promise.resolve({
      sizeBytes: bytes.length,
      read: (target, offset) => {
        const length = Math.max(0, Math.min(target.length, bytes.length - offset));
        if (offset + length > damagedFrom) throw damaged(id);
        target.set(bytes.subarray(offset, offset + length));
        return length;
      },
    });
  }

  async *extents(id: FileId): AsyncGenerator<Extent> {
    let offset = 0;
    for (const extent of this.#file(id).extents ?? []) {
      const length = 'bytes' in extent ? extent.bytes.length : extent.length;
      if (extent.kind !== 'stored') yield await Promise.resolve({ kind: extent.kind, offset, length });
      else {
        const { encoded = false, encoding, encodedFrom, locations } = extent;
        yield {
          kind: 'stored',
          offset,
          length,
          encoded,
          ...(encoding === undefined ? {} : { encoding }),
          ...(encodedFrom === undefined ? {} : { encodedFrom }),
          locations,
        };
      }
      offset += length;
    }
  }

  async xattrs(id: FileId): Promise<ReadonlyMap<string, Uint8Array>> {
    return Promise.resolve(new Map(Object.entries(this.#file(id).xattrs ?? {})));
  }

  async usage(): Promise<FilesystemUsage> {
    return Promise.resolve({ blockBytes: 4096, blocks: 256, freeBlocks: 128, files: 100, freeFiles: 50 });
  }

  #file(id: FileId): MemoryFile {
    const file = this.#files.get(id);
    if (file === undefined || file.damaged === true) throw damaged(id);
    return file;
  }

  #item(name: string, id: FileId): DirectoryItem {
    const type = this.#files.get(id)?.type;
    return type === undefined ? { name, id } : { name, id, type };
  }

  #isDirectory(id: FileId): boolean {
    return this.#files.get(id)?.type === 'directory';
  }

  #links(id: FileId): number {
    let links = 0;
    for (const { entries = {} } of this.#files.values())
      links += Object.values(entries).filter((at) => at === id).length;
    return links;
  }
}

function damaged(id: FileId): UmbraError {
  return new UmbraError('FILESYSTEM_DAMAGED', `inode ${String(id)} is damaged`);
}

function extentsLength(extents: readonly MemoryExtent[] = []): number {
  return extents.reduce((sum, extent) => sum + ('bytes' in extent ? extent.bytes.length : extent.length), 0);
}

/** A file whose bytes stand among the metadata. */
export function inlineFile(text: string, more: Partial<MemoryFile> = {}): MemoryFile {
  return { type: 'file', extents: [{ kind: 'inline', bytes: Buffer.from(text) }], ...more };
}

/** A directory. */
export function directory(entries: Readonly<Record<string, FileId>>, more: Partial<MemoryFile> = {}): MemoryFile {
  return { type: 'directory', entries, ...more };
}

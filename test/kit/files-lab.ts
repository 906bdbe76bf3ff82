import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { findDevices } from '../../mount/files/find-devices.js';
import type { FindDevices } from '../../mount/files/guest-device.js';
import type { Filesystem } from '../../mount/filesystems/filesystem.js';
import { systemClock } from '../../src/common/clock.js';
import { silentLog } from '../../src/common/log.js';
import { LocalFileOperations } from '../../src/files/file-operations.js';
import { Verdicts } from '../../src/files/verdicts.js';
import type {
  CopyFilesRequest,
  CopyFilesResult,
  DiffFilesResult,
  FileDifference,
  FileHistoryResult,
  FindFilesRequest,
  FindFilesResult,
  FoundFile,
  ListedFile,
  ListFilesResult,
} from '../../src/protocol/files-api.js';
import { LocalSource } from '../../src/server/local-source.js';
import { ByteCache } from '../../src/store/byte-cache.js';
import { RegionCache } from '../../src/tree/region-cache.js';
import { MemoryFilesystem, type MemoryFile } from './filesystems/memory-filesystem.js';
import { openMemoryStore, type MemoryStore } from './memory-store.js';
import { temporaryDirectory } from './temporary.js';

const MIB = 1024 * 1024;

export interface LabOptions {
  /** Instead of real ones: the file system of each volume, by the first byte of the volume. */
  readonly filesystems?: ReadonlyMap<number, Filesystem | Error>;
  /** Instead of what finds real ones. */
  readonly find?: FindDevices;
}

/** Operations on files over a store in memory. */
export class FilesLab {
  readonly memory: MemoryStore;
  readonly directory: string;
  readonly operations: LocalFileOperations;
  readonly verdicts: Verdicts;
  /** What `progress` was told. */
  readonly progress: string[] = [];
  readonly #controller = new AbortController();

  static async open(t: Test, options: LabOptions = {}): Promise<FilesLab> {
    const memory = await openMemoryStore(t);
    const directory = temporaryDirectory(t);
    const verdicts = new Verdicts(join(directory, 'compared'));
    t.teardown(() => verdicts.close());
    return new FilesLab(memory, directory, verdicts, options);
  }

  private constructor(
    memory: MemoryStore,
    directory: string,
    verdicts: Verdicts,
    { filesystems, find = findDevices }: LabOptions,
  ) {
    this.memory = memory;
    this.directory = directory;
    this.verdicts = verdicts;
    const { store, pool } = memory;
    const regions = new RegionCache({ reader: () => store.reader, pool: () => pool, maxBytes: 32 * MIB });
    const chunks = new ByteCache<Uint8Array>(16 * MIB);
    const reading = new Map<string, Promise<Uint8Array>>();
    const source = new LocalSource(
      () => store,
      () => ({ reader: store.reader, regions, chunks, reading }),
    );
    this.operations = new LocalFileOperations({
      store: () => store,
      source,
      find: filesystems === undefined ? find : fakeDevices(filesystems),
      storeDirectory: '/nonexistent/store',
      verdicts,
      clock: systemClock,
      log: silentLog,
    });
  }

  get job(): { readonly signal: AbortSignal; readonly progress: (progress: { readonly what: string }) => void } {
    return { signal: this.#controller.signal, progress: ({ what }) => this.progress.push(what) };
  }

  /** Abort what runs, and all that begins later. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Back up a file as the only volume of a machine; the shadow copy's name. */
  async backUp(image: string | Uint8Array, machine = 'm1'): Promise<string> {
    const content = typeof image === 'string' ? readFileSync(image) : image;
    return (await this.memory.backUp({ vda: content }, { machine })).name;
  }

  async list(path?: string, { details = false, version = 'latest' } = {}): Promise<[ListFilesResult, ListedFile[]]> {
    const items: ListedFile[] = [];
    const request = { machine: 'm1', version, ...(path === undefined ? {} : { path }), details };
    const result = await this.operations.list(request, { ...this.job, emit: collect(items) });
    return [result, items];
  }

  async read(path: string, version = 'latest'): Promise<Buffer> {
    const content = await this.operations.read({ machine: 'm1', version, path }, this.job);
    try {
      const pieces: Uint8Array[] = [];
      for await (const piece of content.pieces()) pieces.push(piece);
      return Buffer.concat(pieces);
    } finally {
      await content.close();
    }
  }

  copy(path: string, to: string, options: Partial<CopyFilesRequest> = {}): Promise<CopyFilesResult> {
    const flags = { toDirectory: false, recursive: true, force: false };
    return this.operations.copy({ machine: 'm1', version: 'latest', path, to, ...flags, ...options }, this.job);
  }

  history(path: string): Promise<FileHistoryResult> {
    return this.operations.history({ machine: 'm1', path }, this.job);
  }

  /** Each version as `CHANGE NUMBER-OF-SHADOW-COPIES`. */
  async changes(path: string): Promise<string[]> {
    const { versions } = await this.history(path);
    return versions.map(({ change, shadowCopies }) => `${change} ${shadowCopies.length}`);
  }

  async find(glob: string, options: Partial<FindFilesRequest> = {}): Promise<[FindFilesResult, FoundFile[]]> {
    const items: FoundFile[] = [];
    const request = { machine: 'm1', glob, ignoreCase: false, ...options };
    return [await this.operations.find(request, { ...this.job, emit: collect(items) }), items];
  }

  async diff(from: string, to: string, toMachine = 'm1'): Promise<[DiffFilesResult, FileDifference[]]> {
    const items: FileDifference[] = [];
    const request = { machine: 'm1', from, toMachine, to };
    return [await this.operations.diff(request, { ...this.job, emit: collect(items) }), items];
  }
}

/** A lab with a backup of one volume, which holds these files; number 1 is its top directory. */
export async function fakeLab(t: Test, files: Record<number, MemoryFile>): Promise<FilesLab> {
  const lab = await FilesLab.open(t, { filesystems: new Map([[1, new MemoryFilesystem(files)]]) });
  const bytes = Buffer.alloc(4 * MIB);
  bytes[0] = 1;
  await lab.backUp(bytes);
  return lab;
}

function collect<T>(items: T[]): (more: readonly T[]) => Promise<void> {
  return (more) => {
    items.push(...more);
    return Promise.resolve();
  };
}

function fakeDevices(filesystems: ReadonlyMap<number, Filesystem | Error>): FindDevices {
  return (volumes) =>
    Promise.resolve(
      volumes.map(({ name, source }) => ({
        name,
        sizeBytes: source.sizeBytes,
        open: async () => {
          const first = Buffer.alloc(1);
          await source.read(first, 0);
          const found = filesystems.get(first[0] ?? 0);
          if (found === undefined) return { nothing: true } as const;
          if (found instanceof Error) throw found;
          return { filesystem: found };
        },
      })),
    );
}

/** An ext4 image of what a directory holds. */
export function ext4Image(image: string, tree: string, sizeMib = 32): void {
  writeFileSync(image, '');
  truncateSync(image, sizeMib * MIB);
  execFileSync('mke2fs', [
    '-q',
    '-t',
    'ext4',
    '-E',
    'hash_seed=00000000-0000-0000-0000-000000000001',
    '-d',
    tree,
    image,
  ]);
}

/** Change an ext2, 3 or 4 image with debugfs, one command a line. */
export function debugfs(directory: string, image: string, commands: readonly string[]): void {
  const file = join(directory, 'debugfs-commands');
  writeFileSync(file, `${commands.join('\n')}\n`);
  execFileSync('debugfs', ['-w', '-f', file, image], { stdio: 'ignore' });
}

/** Write files into a new directory; a value that is an object is a directory. */
export function writeTree(directory: string, tree: TreeContent): void {
  mkdirSync(directory, { recursive: true });
  for (const [name, content] of Object.entries(tree)) {
    if (typeof content === 'string' || content instanceof Uint8Array) writeFileSync(join(directory, name), content);
    else writeTree(join(directory, name), content);
  }
}

export interface TreeContent {
  readonly [name: string]: string | Uint8Array | TreeContent;
}

import { after, type Eventually, orUndo, soon } from '../../src/common/eventually.js';
import type {
  DirectoryItem,
  FileId,
  FileReader,
  FileStat,
  Filesystem,
  FilesystemUsage,
  FileType,
} from '../filesystems/filesystem.js';
import { ContentAhead } from '../files/content-ahead.js';
import { FileAhead, SEQUENTIAL_BYTES } from '../files/file-ahead.js';
import { GuestPaths, type FoundFile } from '../files/guest-paths.js';
import { inInodeOrder } from '../files/inode-order.js';
import type { FilesystemNames } from '../files/listed-names.js';
import type { ShadowFiles } from '../files/shadow-files.js';
import { usageOf } from '../files/usage.js';
import type { InodeTable } from '../inodes.js';
import {
  isEntryName,
  MAX_GUEST_NAME,
  type DirectoryEntry,
  type DirectoryNode,
  type FileNode,
  type LinkNode,
  type NodeKind,
  type NodeStat,
  type OpenFile,
  type SpecialNode,
  type TreeNode,
  type Xattrs,
} from '../node.js';

const KINDS: Readonly<Record<FileType, NodeKind>> = {
  file: 'file',
  directory: 'directory',
  symlink: 'link',
  'character-device': 'character-device',
  'block-device': 'block-device',
  fifo: 'fifo',
  socket: 'socket',
};

const NO_XATTRS: Xattrs = new Map();
const NS_PER_MS = 1_000_000n;

export interface GuestTreeOptions {
  readonly filesystem: Filesystem;
  readonly files: ShadowFiles;
  readonly inodes: InodeTable;
  /** What lists said of its names. */
  readonly names: FilesystemNames;
  /** Whose inode numbers its files have. */
  readonly owner: string;
  /** For who wants to forget the shadow copy: `vda1`. */
  readonly name: string;
}

/** The files of one guest's file system as nodes of the tree. */
export class GuestTree {
  readonly filesystem: Filesystem;
  readonly #options: GuestTreeOptions;
  readonly #paths: GuestPaths;
  readonly #contents: ContentAhead;

  constructor(options: GuestTreeOptions) {
    this.filesystem = options.filesystem;
    this.#options = options;
    this.#paths = new GuestPaths(options.filesystem, options.names);
    this.#contents = new ContentAhead(options.filesystem);
  }

  /** The node at `path` (`a/b/c`, '' for the top). */
  node(path: string): Eventually<TreeNode | undefined> {
    return after(this.#paths.find(path), (found) => (found === undefined ? undefined : this.#nodeOf(path, found)));
  }

  /** See Filesystem.readDirectory. */
  async *list(path: string, id: FileId): AsyncGenerator<readonly DirectoryItem[]> {
    const place = (of: FileId): number => this.filesystem.place?.(of) ?? Number(of);
    for await (const batch of inInodeOrder(this.filesystem.readDirectory(id), { path, place })) {
      this.#options.names.add(id, batch);
      yield batch;
    }
  }

  ino(id: FileId): number {
    return this.#options.inodes.number(this.#options.owner, id);
  }

  usage(): Promise<FilesystemUsage> {
    return usageOf(this.filesystem);
  }

  /** Open a file; while it is open the shadow copy stays. */
  open(path: string, { id, stat }: FoundFile): Eventually<OpenFile> {
    const { files, name } = this.#options;
    return after(files.keep(`files/${name}/${path} is open in a mount`), (giveBack) =>
      orUndo(
        () => after(this.#contents.open(id), (file) => this.#opened(path, { id, stat }, file, giveBack)),
        giveBack,
      ),
    );
  }

  #opened(path: string, { id, stat }: FoundFile, file: FileReader, giveBack: () => void): OpenFile {
    if (stat.sizeBytes <= SEQUENTIAL_BYTES) return this.#openedSmall(path, file, giveBack);
    const ahead = new FileAhead(this.filesystem.extents(id), (volume, offset, length) => {
      this.#options.files.willRead(volume, offset, length);
    });
    return {
      read: (target, offset) => {
        ahead.read(offset, target.length);
        return file.read(target, offset);
      },
      close: () => {
        ahead.close();
        giveBack();
      },
    };
  }

  #openedSmall(path: string, file: FileReader, giveBack: () => void): OpenFile {
    let isRead = false;
    return {
      read: (target, offset) => {
        // Not before: programs open files without reading them, and the kernel has the content of others.
        if (!isRead) this.#prepareNext(path);
        isRead = true;
        return file.read(target, offset);
      },
      close: giveBack,
    };
  }

  #prepareNext(path: string): void {
    const next = this.#paths.next(path);
    if (next?.stat.type === 'file') soon(() => this.#contents.prepare(next.id, next.stat.sizeBytes));
  }

  #nodeOf(path: string, found: FoundFile): TreeNode {
    const kind = KINDS[found.stat.type];
    if (kind === 'directory') return new GuestDirectory(this, path, found);
    if (kind === 'file') return new GuestFile(this, path, found);
    if (kind === 'link') return new GuestLink(this, path, found);
    return new GuestSpecial(this, path, found, kind);
  }
}

abstract class GuestNode {
  protected readonly tree: GuestTree;
  protected readonly path: string;
  protected readonly found: FoundFile;

  constructor(tree: GuestTree, path: string, found: FoundFile) {
    this.tree = tree;
    this.path = path;
    this.found = found;
  }

  stat(): NodeStat {
    return nodeStat(this.found.stat, this.tree.ino(this.found.id));
  }

  xattrs(): Eventually<Xattrs> {
    const { stat, id } = this.found;
    return stat.mayHaveXattrs ? this.tree.filesystem.xattrs(id) : NO_XATTRS;
  }

  usage(): Promise<FilesystemUsage> {
    return this.tree.usage();
  }
}

class GuestDirectory extends GuestNode implements DirectoryNode {
  readonly kind = 'directory';

  lookup(name: string): Eventually<TreeNode | undefined> {
    return this.resolve(name);
  }

  resolve(path: string): Eventually<TreeNode | undefined> {
    return this.tree.node(this.path === '' ? path : `${this.path}/${path}`);
  }

  async *list(): AsyncGenerator<readonly DirectoryEntry[]> {
    for await (const batch of this.tree.list(this.path, this.found.id)) {
      const entries: DirectoryEntry[] = [];
      for (const { name, id, type } of batch) {
        if (!isEntryName(name, MAX_GUEST_NAME)) continue;
        entries.push({ name, kind: type === undefined ? undefined : KINDS[type], ino: this.tree.ino(id) });
      }
      yield entries;
    }
  }
}

class GuestFile extends GuestNode implements FileNode {
  readonly kind = 'file';

  open(): Eventually<OpenFile> {
    return this.tree.open(this.path, this.found);
  }
}

class GuestLink extends GuestNode implements LinkNode {
  readonly kind = 'link';

  readlink(): Promise<string> {
    return this.tree.filesystem.readlink(this.found.id);
  }
}

class GuestSpecial extends GuestNode implements SpecialNode {
  readonly kind: SpecialNode['kind'];

  constructor(tree: GuestTree, path: string, found: FoundFile, kind: SpecialNode['kind']) {
    super(tree, path, found);
    this.kind = kind;
  }
}

function nodeStat(stat: FileStat, ino: number): NodeStat {
  return {
    kind: KINDS[stat.type],
    ino,
    permissions: stat.permissions,
    nlink: stat.nlink,
    uid: stat.uid,
    gid: stat.gid,
    sizeBytes: stat.sizeBytes,
    blocks: stat.blocks,
    mtimeMs: Number(stat.mtimeNs / NS_PER_MS),
    atimeMs: Number(stat.atimeNs / NS_PER_MS),
    ctimeMs: Number(stat.ctimeNs / NS_PER_MS),
    ...(stat.device !== undefined && { device: stat.device }),
  };
}

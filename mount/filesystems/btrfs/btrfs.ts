import { after, type Eventually } from '../../../src/common/eventually.js';
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
import { escapeTarget } from '../names.js';
import type { DataReader } from './data-reader.js';
import { type Directory, listEntries, lookupEntry } from './directory.js';
import type { Devices } from './devices.js';
import { FileExtents } from './file-extent.js';
import { fileId, parseFileId } from './file-id.js';
import { BtrfsFile, type FileContent, fileExtents } from './file-reader.js';
import { type Inode, parseInode } from './inode.js';
import { KeyType, ObjectId } from './layout.js';
import { damaged } from './numbers.js';
import type { Subvolumes } from './subvolumes.js';
import type { ItemTree } from './item-tree.js';
import { btrfsUsage } from './usage.js';
import { readXattrs } from './xattrs.js';

/** How many inodes are kept. */
const MAX_INODES = 512;
/** The longest target of a link (PATH_MAX). */
const MAX_TARGET_BYTES = 4095;

/** What a file system is made of, when it is open. */
export interface BtrfsParts {
  readonly devices: Devices;
  readonly chunkTree: ItemTree;
  readonly subvolumes: Subvolumes;
  readonly data: DataReader;
  readonly journal: JournalState;
  readonly problems: readonly string[];
  readonly memoryBytes: number;
}

/** A file of the file system: where its items are. */
interface Place extends Directory {
  readonly isPlaceholder: boolean;
}

/** A btrfs file system. Its top directory is the top level, which holds all subvolumes, whichever a mount shows. */
export class Btrfs implements Filesystem {
  readonly type = 'btrfs';
  readonly label: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly journal: JournalState;
  readonly problems: readonly string[];
  readonly memoryBytes: number;
  readonly root = fileId(ObjectId.topLevel, ObjectId.firstInode);
  readonly #parts: BtrfsParts;
  readonly #sectorBytes: number;
  readonly #inodes = new Map<FileId, Inode>();

  constructor(parts: BtrfsParts) {
    const { superblock } = parts.devices;
    this.label = superblock.label;
    this.uuid = superblock.fsid;
    this.sizeBytes = superblock.totalBytes;
    this.journal = parts.journal;
    this.problems = parts.problems;
    this.memoryBytes = parts.memoryBytes;
    this.#parts = parts;
    this.#sectorBytes = superblock.sectorBytes;
  }

  /** The inode's in its subvolume. */
  place(id: FileId): number {
    return Number(BigInt.asUintN(64, BigInt(id)));
  }

  stat(id: FileId): Eventually<FileStat> {
    return after(this.#inodes.get(id) ?? this.#inode(id), ({ stat }) => stat);
  }

  async lookup(directory: FileId, name: string): Promise<DirectoryItem | undefined> {
    const place = await this.#directory(directory);
    return place.isPlaceholder ? undefined : await lookupEntry(this.#parts.subvolumes, place, name);
  }

  async *readDirectory(directory: FileId): AsyncGenerator<readonly DirectoryItem[]> {
    const place = await this.#directory(directory);
    if (!place.isPlaceholder) yield* listEntries(this.#parts.subvolumes, place);
  }

  async readlink(id: FileId): Promise<string> {
    const content = await this.#content(id, 'symlink');
    if (content.sizeBytes > MAX_TARGET_BYTES) throw damaged('the target of a link is too long');
    const target = Buffer.alloc(content.sizeBytes);
    await new BtrfsFile(content).read(target, 0);
    return escapeTarget(target);
  }

  async open(id: FileId): Promise<FileReader> {
    return new BtrfsFile(await this.#content(id, 'file'));
  }

  async *extents(id: FileId): AsyncGenerator<Extent> {
    yield* fileExtents(await this.#content(id, 'file'));
  }

  async xattrs(id: FileId): Promise<ReadonlyMap<string, Uint8Array>> {
    const { tree, inode, isPlaceholder } = await this.#place(id);
    return isPlaceholder ? new Map() : await readXattrs(tree, inode);
  }

  usage(): Promise<FilesystemUsage> {
    return btrfsUsage(this.#parts.devices.superblock, this.#parts.chunkTree);
  }

  async #place(id: FileId): Promise<Place> {
    const { treeId, inode, isPlaceholder } = parseFileId(id);
    return { treeId, inode, isPlaceholder, tree: await this.#parts.subvolumes.tree(treeId) };
  }

  async #directory(id: FileId): Promise<Place> {
    if ((await this.#inode(id)).stat.type !== 'directory') throw damaged(`the file ${id} is no directory`);
    return await this.#place(id);
  }

  async #content(id: FileId, type: 'file' | 'symlink'): Promise<FileContent> {
    const { stat, hasChecksums } = await this.#inode(id);
    if (stat.type !== type) throw damaged(`the file ${id} is no ${type}`);
    const { tree, inode } = await this.#place(id);
    const extents = new FileExtents(tree, inode, this.#sectorBytes);
    const { data } = this.#parts;
    return { sizeBytes: stat.sizeBytes, extents, data, hasChecksums, sectorBytes: this.#sectorBytes };
  }

  async #inode(id: FileId): Promise<Inode> {
    const known = this.#inodes.get(id);
    if (known !== undefined) return known;
    const place = await this.#place(id);
    const inode = await this.#readInode(place);
    const found = place.isPlaceholder ? placeholder(inode) : inode;
    if (this.#inodes.size >= MAX_INODES) this.#inodes.clear();
    this.#inodes.set(id, found);
    return found;
  }

  async #readInode({ tree, inode }: Place): Promise<Inode> {
    const item = await tree.find({ objectId: inode, type: KeyType.inodeItem, offset: 0 });
    if (item === undefined) throw damaged(`there is no inode ${inode}`);
    const last = await tree.floor({ objectId: inode, type: KeyType.xattr, offset: -1 });
    return parseInode(item.data, this.#sectorBytes, last?.objectId === inode && last.type === KeyType.xattr);
  }
}

/** The empty directory where a snapshot's origin had a subvolume, as the kernel makes it up (new_simple_dir). */
function placeholder({ stat: { uid, gid, atimeNs, mtimeNs, ctimeNs } }: Inode): Inode {
  const fixed = { type: 'directory', permissions: 0o755, nlink: 1, sizeBytes: 0, blocks: 0 } as const;
  return { stat: { ...fixed, uid, gid, atimeNs, mtimeNs, ctimeNs, mayHaveXattrs: false }, hasChecksums: true };
}

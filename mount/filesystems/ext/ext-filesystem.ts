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
import { unescapeName } from '../names.js';
import { Directory } from './directory.js';
import { damaged, unreadable } from './errors.js';
import { extentsOf } from './extents.js';
import { typeOf } from './features.js';
import { BytesFile, MappedFile } from './file-reader.js';
import { FLAG, type Inode, statOf } from './inode.js';
import { ROOT_INODE } from './inode-table.js';
import { hasInlineData, inlineParts } from './inline-data.js';
import { journalBlocksOf } from './journal/replay.js';
import { Lru } from '../lru.js';
import { mappingOf } from './mapping.js';
import { targetOf } from './symlink.js';
import { usageOf } from './usage.js';
import type { Volume } from './volume.js';
import { xattrsOf } from './xattrs.js';

const CACHED_DIRECTORIES = 16;
/** The caches of inodes, directories and group descriptors when they are full. */
const OWN_BYTES = 768 * 1024;

/** An ext2, ext3 or ext4 file system. */
export class ExtFilesystem implements Filesystem {
  readonly type: string;
  readonly label: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly journal: JournalState;
  readonly problems: readonly string[];
  readonly memoryBytes: number;
  readonly root = ROOT_INODE;
  readonly #volume: Volume;
  readonly #directories = new Lru<number, Directory>(CACHED_DIRECTORIES);

  /** @param overlayBytes what the replayed journal keeps in memory */
  constructor(volume: Volume, journal: JournalState, problems: readonly string[], overlayBytes: number) {
    const { superblock } = volume;
    this.type = typeOf(superblock);
    this.label = superblock.label;
    this.uuid = formatUuid(superblock.uuid);
    this.sizeBytes = superblock.blocksCount * superblock.blockBytes;
    this.journal = journal;
    this.problems = problems;
    this.memoryBytes = OWN_BYTES + overlayBytes;
    this.#volume = volume;
  }

  stat(id: FileId): Eventually<FileStat> {
    return after(this.#volume.inodes.get(Number(id)), (inode) => {
      const isEncryptedLink = inode.type === 'symlink' && (inode.flags & FLAG.ENCRYPT) !== 0;
      return isEncryptedLink ? this.#encryptedLinkStat(inode) : statOf(inode);
    });
  }

  async lookup(directory: FileId, name: string): Promise<DirectoryItem | undefined> {
    return await (await this.#directory(directory)).lookup(name);
  }

  async *readDirectory(directory: FileId): AsyncGenerator<readonly DirectoryItem[]> {
    yield* (await this.#directory(directory)).list();
  }

  async readlink(id: FileId): Promise<string> {
    return await targetOf(this.#volume, await this.#inode(id, 'symlink'));
  }

  open(id: FileId): Eventually<FileReader> {
    return after(this.#inode(id, 'file'), (inode) => {
      if ((inode.flags & FLAG.ENCRYPT) !== 0) throw encrypted(inode);
      if (hasInlineData(inode)) return this.#openInline(inode);
      const { source, superblock } = this.#volume;
      return new MappedFile(source, mappingOf(this.#volume, inode), superblock.blockBytes, inode.sizeBytes);
    });
  }

  async *extents(id: FileId): AsyncGenerator<Extent> {
    yield* extentsOf(this.#volume, await this.#inode(id, 'file'));
  }

  async xattrs(id: FileId): Promise<ReadonlyMap<string, Uint8Array>> {
    return await xattrsOf(this.#volume, await this.#inode(id));
  }

  async usage(): Promise<FilesystemUsage> {
    return await usageOf(this.#volume.superblock, this.#volume.groups, await journalBlocksOf(this.#volume));
  }

  async #openInline(inode: Inode): Promise<FileReader> {
    return new BytesFile(Buffer.concat(await inlineParts(this.#volume, inode)), inode.sizeBytes);
  }

  /** What is shown is longer than what is stored. */
  async #encryptedLinkStat(inode: Inode): Promise<FileStat> {
    return { ...statOf(inode), sizeBytes: unescapeName(await this.readlink(inode.number)).length };
  }

  #inode(id: FileId, type?: Inode['type']): Eventually<Inode> {
    return after(this.#volume.inodes.get(Number(id)), (inode) => {
      if (type !== undefined && inode.type !== type) throw damaged(`inode ${inode.number} is no ${type}`);
      return inode;
    });
  }

  async #directory(id: FileId): Promise<Directory> {
    const number = Number(id);
    const known = this.#directories.get(number);
    if (known !== undefined) return known;
    const directory = new Directory(this.#volume, await this.#inode(id, 'directory'));
    this.#directories.set(number, directory);
    return directory;
  }
}

function encrypted({ number }: Inode): Error {
  const hint = 'Its key is in no shadow copy: restore the volume, and read the file where the key is.';
  return unreadable(`the content of inode ${number} is encrypted (fscrypt)`, hint);
}

/** As blkid prints it; empty if it is all zeros. */
function formatUuid(uuid: Buffer): string {
  if (uuid.every((byte) => byte === 0)) return '';
  const hex = uuid.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

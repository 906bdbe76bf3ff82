import type { Eventually } from '../../src/common/eventually.js';
import type { BlockCache } from '../blocks/block-cache.js';
import type { ByteSource, Location } from '../blocks/byte-source.js';

/**
 * The number by which a file system knows a file: the inode number where it has some. It names the same file as long
 * as the volume's content is the same, and can be a key of a Map.
 */
export type FileId = number | bigint;

export type FileType = 'file' | 'directory' | 'symlink' | 'character-device' | 'block-device' | 'fifo' | 'socket';

/** What is known of a file, as the guest's own kernel shows it. */
export interface FileStat {
  readonly type: FileType;
  /** The lower twelve bits of the mode. */
  readonly permissions: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Units of 512 bytes that it takes. */
  readonly blocks: number;
  /** Of a device. */
  readonly device?: { readonly major: number; readonly minor: number };
  /** Nanoseconds since 1970; negative before. */
  readonly mtimeNs: bigint;
  readonly atimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthNs?: bigint;
  /** False if it is known, at no cost, that the file has no extended attributes. */
  readonly mayHaveXattrs: boolean;
}

export interface DirectoryItem {
  /** Escaped, see names.ts. */
  readonly name: string;
  readonly id: FileId;
  /** Undefined where the directory does not say. */
  readonly type?: FileType;
}

/** A file open for reading; concurrent reads are fine. It holds nothing that must be closed. */
export interface FileReader {
  readonly sizeBytes: number;
  /**
   * Fill `target` with the bytes from `offset`, up to the file's end; holes and unwritten parts are zeros.
   * @returns the number of bytes, less than `target.length` only at the end; at once if they are in memory
   * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
   */
  read(target: Uint8Array, offset: number): number | Promise<number>;
}

/** Where a stretch of a file's bytes comes from; `offset` and `length` are in the file. */
export type Extent =
  | { readonly kind: 'hole'; readonly offset: number; readonly length: number }
  /**
   * The bytes are those at `locations`, one to one; if `encoded`, they are made (decompressed) from all of those and
   * nothing else.
   */
  | {
      readonly kind: 'stored';
      readonly offset: number;
      readonly length: number;
      readonly encoded: boolean;
      /** How, if `encoded`: the same locations in two ways are not the same bytes. */
      readonly encoding?: string;
      /** Where in what is made of the locations the bytes begin, if `encoded`; 0 without it. */
      readonly encodedFrom?: number;
      readonly locations: readonly Location[];
    }
  /** They stand among the metadata; who wants to know them reads them. */
  | { readonly kind: 'inline'; readonly offset: number; readonly length: number };

/** What became of the journal: nothing to do, replayed in memory, left alone for a reason, or there is none. */
export type JournalState =
  | { readonly state: 'none' | 'clean' | 'replayed' }
  | { readonly state: 'ignored'; readonly reason: string };

/** The figures that `statfs` shows. */
export interface FilesystemUsage {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  /** Those of the free ones that are not kept for root; all of them where it is not said. */
  readonly availableBlocks?: number;
  /** Inodes in all and free; 0 where there is no such number. */
  readonly files: number;
  readonly freeFiles: number;
}

/**
 * A file system of a guest, open for reading. All methods throw UmbraErrors only: FILESYSTEM_DAMAGED for what makes no
 * sense (an error in one file is an error of that file alone), STORE_DAMAGED from below. Each has a bound on its work.
 */
export interface Filesystem {
  /** As `blkid` calls it: `ext4`, `xfs`, `ntfs`, `vfat`, `exfat`, `btrfs`. */
  readonly type: string;
  /** Empty without one. */
  readonly label: string;
  /** As `blkid` prints it; empty without one. */
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly journal: JournalState;
  /** What was found wrong or left out when it was opened, in plain words; a few at most. */
  readonly problems: readonly string[];
  /** What it keeps in memory at rest, about: a replayed journal; half a MiB is assumed when it does not say. */
  readonly memoryBytes?: number;
  /** The top directory. */
  readonly root: FileId;
  /** Where what is known of a file stands among the others': at its number without it. Need not be exact. */
  place?(id: FileId): number;
  /** At once if it is in memory; errors are thrown or reject. */
  stat(id: FileId): Eventually<FileStat>;
  /** The entry of that (escaped) name, as the guest's own kernel finds it; undefined when there is none. */
  lookup(directory: FileId, name: string): Promise<DirectoryItem | undefined>;
  /** All entries but `.` and `..`, in batches of bounded size. */
  readDirectory(directory: FileId): AsyncIterable<readonly DirectoryItem[]>;
  /** The target of a symbolic link, escaped like a name but for its slashes. */
  readlink(id: FileId): Promise<string>;
  /** Open a regular file; at once if what it takes is in memory, errors are thrown or reject. */
  open(id: FileId): Eventually<FileReader>;
  /** Where the content of a regular file stands, in order, without gaps, up to its size. */
  extents(id: FileId): AsyncIterable<Extent>;
  /** Extended attributes by their full names (`user.comment`), POSIX ACLs in the form that getxattr(2) gives. */
  xattrs(id: FileId): Promise<ReadonlyMap<string, Uint8Array>>;
  usage(): Promise<FilesystemUsage>;
}

export interface OpenOptions {
  /** The partition or logical volume. */
  readonly source: ByteSource;
  /** Where metadata is kept. */
  readonly cache: BlockCache;
}

/** Opens one kind of file system. */
export interface FilesystemDriver {
  /**
   * True if its signature is there; reads little.
   * @throws {UmbraError} STORE_DAMAGED
   */
  matches(source: ByteSource): Promise<boolean>;
  /**
   * True if a copy of what it is known by stands somewhere behind the beginning. Asked only of what nothing else is found
   * in: something newer may have been made over the beginning, and leave the copies of the old.
   * @throws {UmbraError} STORE_DAMAGED
   */
  matchesCopy?(source: ByteSource): Promise<boolean>;
  /**
   * @throws {UmbraError} FILESYSTEM_DAMAGED; FILESYSTEM_UNREADABLE for a feature that is not known, with a hint
   */
  open(options: OpenOptions): Promise<Filesystem>;
}

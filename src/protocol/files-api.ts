/**
 * What crosses the server's socket, and what `--json` prints, about the files inside volumes. Names and paths are
 * escaped (mount/filesystems/names.ts); times are ISO 8601 with nanoseconds: `2026-11-22T10:15:00.123456789Z`.
 */

export type GuestFileType = 'file' | 'directory' | 'symlink' | 'character-device' | 'block-device' | 'fifo' | 'socket';

/** A partition or logical volume of a shadow copy. */
export interface GuestFilesystemInfo {
  /** The first part of the paths in it: `vda1`, `vg0-root`. */
  readonly name: string;
  /** `ext4`, `ntfs`, …; what it was recognised as if it can't be read. */
  readonly type: string;
  readonly label: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly usedBytes?: number;
  /** `none`, `clean`, `replayed`, or why it was left alone. */
  readonly journal?: string;
  /** What was found wrong. */
  readonly problems: readonly string[];
  /** Why its files can't be shown; absent if they can. */
  readonly unreadable?: string;
}

/** What is known of a file without reading it. */
export interface GuestFileStat {
  readonly type: GuestFileType;
  /** The lower twelve bits of the mode. */
  readonly permissions: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Bytes that it takes in the guest. */
  readonly diskBytes: number;
  readonly mtime: string;
  readonly atime: string;
  readonly ctime: string;
  readonly birthTime?: string;
  /** Of a device. */
  readonly device?: { readonly major: number; readonly minor: number };
  /** Of a symbolic link. */
  readonly target?: string;
}

export interface ListFilesRequest {
  readonly machine: string;
  readonly version: string;
  /** The file systems without it. */
  readonly path?: string;
  /** Also what {@link GuestFileStat} has. */
  readonly details: boolean;
}

/** A line of a listing. */
export interface ListedFile {
  readonly name: string;
  /** Undefined where the directory does not say and `details` were not asked for. */
  readonly type?: GuestFileType;
  readonly stat?: GuestFileStat;
  /** Why nothing is known of it. */
  readonly error?: string;
}

export interface ListFilesResult {
  readonly machine: string;
  readonly shadowCopy: string;
  readonly path: string;
  /** True if `path` is a directory, and the items are what is in it; else the one item is what it names. */
  readonly isDirectory: boolean;
  /** Without a path. */
  readonly filesystems?: readonly GuestFilesystemInfo[];
  readonly files: number;
  /** Entries of which nothing is known because of damage. */
  readonly damaged: number;
}

export interface ReadFileRequest {
  readonly machine: string;
  readonly version: string;
  readonly path: string;
}

export interface CopyFilesRequest {
  readonly machine: string;
  readonly version: string;
  readonly path: string;
  /** Absolute. A directory that is there gets the copy under its own name; else it becomes the copy. */
  readonly to: string;
  /** True if `to` must be a directory: it was written with a slash at its end. */
  readonly toDirectory: boolean;
  /** Directories with everything in them. */
  readonly recursive: boolean;
  /** `to` itself becomes the copy of the directory, also if it is there: `path` was written with `/.` at its end. */
  readonly contents?: boolean;
  /** Replace files that are there, and go on into directories that are there. */
  readonly force: boolean;
}

/** Something that is not in a copy as it is in the guest. */
export interface CopyProblem {
  readonly path: string;
  /** `read`: damaged or unreadable in the guest; `write`: could not be made; `metadata`: is there without this. */
  readonly kind: 'read' | 'write' | 'metadata';
  readonly reason: string;
  /** Of how many files this is so, if of several; `path` is one of them. */
  readonly count?: number;
}

export interface CopyFilesResult {
  readonly machine: string;
  readonly shadowCopy: string;
  readonly path: string;
  /** What was made. */
  readonly to: string;
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  /** Further names of files that were copied. */
  readonly hardLinks: number;
  /** Devices, fifos and sockets. */
  readonly specialFiles: number;
  /** Bytes of data that were written; holes are none. */
  readonly writtenBytes: number;
  /** The first of them; there may be more. */
  readonly problems: readonly CopyProblem[];
  readonly readProblems: number;
  readonly writeProblems: number;
  readonly metadataProblems: number;
  /** False if all belongs to the user who runs the server, who is not root. */
  readonly owners: boolean;
  readonly seconds: number;
}

export interface FileHistoryRequest {
  readonly machine: string;
  readonly path: string;
}

/**
 * What is new in a version of a file: `replaced` by something of another type; `unchanged` and `unknown` come after what
 * was unreadable, if it is as before that, or if that is not known.
 */
export type FileChange =
  | 'first'
  | 'content'
  | 'metadata'
  | 'replaced'
  | 'appeared'
  | 'removed'
  | 'unreadable'
  | 'unchanged'
  | 'unknown';

/** A file as it is in one or several shadow copies in succession. */
export interface FileVersion {
  /** `absent`: there is no such file; `unreadable`: nobody knows. */
  readonly state: 'present' | 'absent' | 'unreadable';
  /** What is different from the version before. */
  readonly change: FileChange;
  /** The shadow copies, in the order in which they were made. */
  readonly shadowCopies: readonly string[];
  /** If it is present. */
  readonly stat?: GuestFileStat;
  /** Why it is unreadable. */
  readonly reason?: string;
  /** If it is unreadable: false if it is only of a kind that Umbra does not read. */
  readonly isDamaged?: boolean;
}

export interface FileHistoryResult {
  readonly machine: string;
  readonly path: string;
  /** The oldest first. */
  readonly versions: readonly FileVersion[];
  /** Bytes of file contents that were read to tell versions apart; 0 if metadata sufficed. */
  readonly comparedBytes: number;
  readonly seconds: number;
}

export interface FindFilesRequest {
  readonly machine: string;
  /** All of them without it. */
  readonly version?: string;
  readonly glob: string;
  readonly ignoreCase: boolean;
  readonly type?: GuestFileType;
}

/** A file that was found, once for each content or metadata that it had. */
export interface FoundFile {
  readonly path: string;
  readonly stat: GuestFileStat;
  /** The first and the last of the shadow copies in succession that hold it, and how many they are. */
  readonly first: string;
  readonly last: string;
  readonly shadowCopies: number;
}

/** A part of the guest that could not be looked at. */
export interface UnreadPath {
  readonly shadowCopy: string;
  readonly path: string;
  readonly reason: string;
  /** False if it is only of a kind that Umbra does not read. */
  readonly isDamaged: boolean;
}

export interface FindFilesResult {
  readonly machine: string;
  /** Shadow copies that were looked at. */
  readonly shadowCopies: number;
  readonly found: number;
  /** The first of them. */
  readonly unread: readonly UnreadPath[];
  readonly unreadCount: number;
  /** Of these, what is damaged. */
  readonly damagedCount: number;
  readonly seconds: number;
}

export interface DiffFilesRequest {
  readonly machine: string;
  readonly from: string;
  readonly toMachine: string;
  readonly to: string;
}

export interface FileDifference {
  readonly change: 'added' | 'removed' | 'changed' | 'metadata' | 'renamed';
  readonly path: string;
  /** The former path of what was renamed. */
  readonly fromPath?: string;
  readonly type: GuestFileType;
  /** What differs: `content`, `type`, `mode`, `owner`, `mtime`, `target`, `device`, `xattrs`. Empty for what is added, removed or only renamed. */
  readonly what: readonly string[];
  readonly fromBytes?: number;
  readonly toBytes?: number;
}

export interface DiffFilesResult {
  /** `MACHINE@SHADOW-COPY` */
  readonly from: string;
  readonly to: string;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly metadata: number;
  readonly renamed: number;
  /** Bytes of file contents that were read to tell whether they differ. */
  readonly comparedBytes: number;
  readonly unread: readonly UnreadPath[];
  readonly unreadCount: number;
  /** Of these, what is damaged. */
  readonly damagedCount: number;
  readonly seconds: number;
}

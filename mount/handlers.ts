import { constants } from 'node:fs';
import { EBADF, EROFS, errnoOf, isTrouble } from './errno.js';
import type { DirectoryEntry, NodeStat } from './node.js';
import type { OpenFiles } from './open-files.js';
import { TreeError } from './tree-error.js';
import type { VirtualTree } from './tree.js';
import type { TroubleLog } from './trouble-log.js';

type Done = (error: number) => void;
type DoneWith<T> = (error: number, value?: T) => void;

/** A stat as the kernel wants it. */
export interface KernelStat {
  mode: number;
  uid: number;
  gid: number;
  size: number;
  nlink: number;
  ino: number;
  blksize: number;
  blocks: number;
  atime: number;
  mtime: number;
  ctime: number;
}

export interface HandlerOptions {
  readonly tree: VirtualTree;
  readonly files: OpenFiles;
  readonly trouble: TroubleLog;
}

const BLOCK_BYTES = 4096;
const ACCESS_MODE = constants.O_WRONLY | constants.O_RDWR;
const TYPE_BITS = { directory: constants.S_IFDIR, file: constants.S_IFREG, link: constants.S_IFLNK } as const;

/**
 * The kernel's requests, answered out of a tree. `access`, `flush`, `fsync` and the reading of
 * xattrs are left out on purpose: the kernel then takes them for done or not supported and never
 * asks again, which saves a request for each `close` and several for each line of `ls -l`.
 */
export function createHandlers(options: HandlerOptions) {
  return { ...readingHandlers(options), ...WRITING_HANDLERS };
}

function readingHandlers({ tree, files, trouble }: HandlerOptions) {
  const fail = (error: unknown, operation: string, path: string): number => {
    if (isTrouble(error)) trouble.report(error, operation, path);
    return errnoOf(error);
  };
  const answer = <T>(work: Promise<T>, operation: string, path: string, done: DoneWith<T>): void => {
    work.then(
      (value) => {
        done(0, value);
      },
      (error: unknown) => {
        done(fail(error, operation, path));
      },
    );
  };
  return {
    getattr(path: string, done: DoneWith<KernelStat>): void {
      answer(tree.stat(path).then(kernelStat), 'getattr', path, done);
    },
    readdir(path: string, done: (error: number, names?: string[], stats?: KernelStat[]) => void): void {
      answer(tree.list(path), 'readdir', path, (error, entries = []) => {
        if (error === 0) done(0, ['.', '..', ...entries.map(({ name }) => name)], entryStats(entries));
        else done(error);
      });
    },
    readlink(path: string, done: DoneWith<string>): void {
      answer(tree.readlink(path), 'readlink', path, done);
    },
    open(path: string, flags: number, done: DoneWith<number>): void {
      answer(openFile(tree, files, path, flags), 'open', path, done);
    },
    read(path: string, handle: number, buffer: Buffer, length: number, position: number, done: Done): void {
      const file = files.get(handle);
      if (file === undefined) {
        done(EBADF);
        return;
      }
      const failed = (error: unknown): void => {
        done(fail(error, 'read', path));
      };
      const target = buffer.length === length ? buffer : buffer.subarray(0, length);
      let read: number | Promise<number>;
      try {
        read = file.read(target, position);
      } catch (error) {
        failed(error);
        return;
      }
      if (typeof read === 'number') done(read);
      else read.then(done, failed);
    },
    release(path: string, handle: number, done: Done): void {
      answer(files.close(handle), 'release', path, done);
    },
    /** No blocks at all: `df` then leaves the mount out, as it does other file systems that take no space. */
    statfs(_path: string, done: DoneWith<typeof STATFS>): void {
      done(0, STATFS);
    },
  };
}

const STATFS = {
  bsize: BLOCK_BYTES,
  frsize: BLOCK_BYTES,
  blocks: 0,
  bfree: 0,
  bavail: 0,
  files: 0,
  ffree: 0,
  favail: 0,
  fsid: 0,
  flag: 0,
  namemax: 255,
};

async function openFile(tree: VirtualTree, files: OpenFiles, path: string, flags: number): Promise<number> {
  if ((flags & ACCESS_MODE) !== constants.O_RDONLY) throw new TreeError('EROFS', path);
  return await files.add(await tree.open(path), path);
}

function kernelStat(stat: NodeStat): KernelStat {
  // fuse-native passes unsigned milliseconds.
  const timeMs = Math.max(0, Math.trunc(stat.mtimeMs));
  return {
    mode: TYPE_BITS[stat.kind] | stat.permissions,
    uid: stat.uid,
    gid: stat.gid,
    size: stat.sizeBytes,
    nlink: stat.nlink,
    ino: stat.ino,
    blksize: BLOCK_BYTES,
    blocks: stat.blocks,
    atime: timeMs,
    mtime: timeMs,
    ctime: timeMs,
  };
}

/** A listing passes only the type and the inode number of each entry; the first two are `.` and `..`. */
function entryStats(entries: readonly DirectoryEntry[]): KernelStat[] {
  const kinds = [DOT, DOT, ...entries];
  return kinds.map(({ kind, ino }) => ({ ...NO_STAT, mode: TYPE_BITS[kind], ino }));
}

/** Nobody needs the numbers of these two; 0 would make them deleted entries to some programs. */
const DOT = { kind: 'directory', ino: 0xffffffff } as const;
const NO_STAT = { uid: 0, gid: 0, size: 0, nlink: 1, blksize: 0, blocks: 0, atime: 0, mtime: 0, ctime: 0 };

/** The mount is read-only, so the kernel refuses these itself, unless somebody remounts it writable. */
const WRITING_HANDLERS = {
  write(_path: string, _handle: number, _buffer: Buffer, _length: number, _position: number, done: Done): void {
    done(EROFS);
  },
  create(_path: string, _mode: number, done: Done): void {
    done(EROFS);
  },
  truncate(_path: string, _size: number, done: Done): void {
    done(EROFS);
  },
  ftruncate(_path: string, _handle: number, _size: number, done: Done): void {
    done(EROFS);
  },
  utimens(_path: string, _atime: number, _mtime: number, done: Done): void {
    done(EROFS);
  },
  chown(_path: string, _uid: number, _gid: number, done: Done): void {
    done(EROFS);
  },
  chmod(_path: string, _mode: number, done: Done): void {
    done(EROFS);
  },
  mknod(_path: string, _mode: number, _dev: number, done: Done): void {
    done(EROFS);
  },
  setxattr(_path: string, _name: string, _value: Buffer, _position: number, _flags: number, done: Done): void {
    done(EROFS);
  },
  removexattr(_path: string, _name: string, done: Done): void {
    done(EROFS);
  },
  unlink(_path: string, done: Done): void {
    done(EROFS);
  },
  rename(_from: string, _to: string, done: Done): void {
    done(EROFS);
  },
  link(_from: string, _to: string, done: Done): void {
    done(EROFS);
  },
  symlink(_target: string, _path: string, done: Done): void {
    done(EROFS);
  },
  mkdir(_path: string, _mode: number, done: Done): void {
    done(EROFS);
  },
  rmdir(_path: string, done: Done): void {
    done(EROFS);
  },
};

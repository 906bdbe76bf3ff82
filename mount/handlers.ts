import { constants } from 'node:fs';
import { after, type Eventually } from '../src/common/eventually.js';
import { isUmbraError } from '../src/common/errors.js';
import type { KernelStat } from '../src/system/fuse/answers.js';
import { EBADF, EROFS, errnoOf, isTrouble } from './errno.js';
import type { KernelStatfs } from '../src/system/fuse/answers.js';
import { kernelStat, kernelStatfs, TYPE_BITS } from './kernel-stat.js';
import { type DirectoryEntry, MAX_ENTRIES } from './node.js';
import type { OpenFiles } from './open-files.js';
import { TreeError } from './tree-error.js';
import type { VirtualTree } from './tree.js';
import type { TroubleLog } from './trouble-log.js';

type Done = (error: number) => void;
type DoneWith<T> = (error: number, value?: T) => void;

/** A directory's entries: the name, the type (as in a mode; 0 if it is not known) and the inode number of each. */
export interface KernelNames {
  readonly names: string[];
  readonly types: number[];
  readonly inos: number[];
}

export interface HandlerOptions {
  readonly tree: VirtualTree;
  readonly files: OpenFiles;
  readonly trouble: TroubleLog;
}

const ACCESS_MODE = constants.O_WRONLY | constants.O_RDWR;
/** Attributes larger than that can't be passed through the kernel (XATTR_SIZE_MAX), nor longer names (XATTR_NAME_MAX). */
const MAX_XATTR_BYTES = 65_536;
const MAX_XATTR_NAME = 255;

/**
 * The kernel's requests, answered out of a tree. `access`, `flush` and `fsync` are
 * left out on purpose: the kernel then takes them for done and never asks again, which saves a
 * request for each `close`.
 */
export function createHandlers(options: HandlerOptions) {
  return { ...readingHandlers(options), ...WRITING_HANDLERS };
}

export type Handlers = ReturnType<typeof createHandlers>;

function readingHandlers({ tree, files, trouble }: HandlerOptions) {
  const fail = (error: unknown, operation: string, path: string): number => {
    if (isTrouble(error)) trouble.report(error, operation, path);
    return errnoOf(error);
  };
  const answer = <T>(
    operation: string,
    path: string,
    done: DoneWith<T>,
    work: () => Eventually<T | undefined>,
  ): void => {
    const succeeded = (value: T | undefined): void => {
      done(0, value);
    };
    const failed = (error: unknown): void => {
      done(fail(error, operation, path));
    };
    let value: Eventually<T | undefined>;
    try {
      value = work();
    } catch (error) {
      failed(error);
      return;
    }
    if (value instanceof Promise) value.then(succeeded, failed);
    else succeeded(value);
  };
  return {
    getattr(path: string, done: DoneWith<KernelStat>): void {
      answer('getattr', path, done, () => after(tree.stat(path), kernelStat));
    },
    readdir(path: string, done: DoneWith<KernelNames>): void {
      const onDamage = (error: unknown): void => {
        trouble.report(error, 'readdir', path);
      };
      answer('readdir', path, done, () => listNames(tree, path, onDamage));
    },
    readlink(path: string, done: DoneWith<string>): void {
      answer('readlink', path, done, () => tree.readlink(path));
    },
    open(path: string, flags: number, done: DoneWith<number>): void {
      answer('open', path, done, () => openFile(tree, files, path, flags));
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
      answer('release', path, done, () => files.close(handle));
    },
    statfs(path: string, done: DoneWith<KernelStatfs>): void {
      answer('statfs', path, done, () => tree.usage(path).then(kernelStatfs));
    },
    /** Undefined when there is no such attribute. */
    getxattr(path: string, name: string, done: DoneWith<Uint8Array>): void {
      answer('getxattr', path, done, () => after(tree.xattrs(path), (xattrs) => xattrs.get(name)));
    },
    listxattr(path: string, done: DoneWith<readonly string[]>): void {
      answer('listxattr', path, done, () => xattrNames(tree, path));
    },
  };
}

function openFile(tree: VirtualTree, files: OpenFiles, path: string, flags: number): Eventually<number> {
  if ((flags & ACCESS_MODE) !== constants.O_RDONLY) throw new TreeError('EROFS', path);
  return after(tree.open(path), (file) => files.add(file, path));
}

/**
 * What can be read of a directory that is damaged somewhere is shown, as the guest's kernel does it; the log says that
 * it is not all.
 */
async function listNames(tree: VirtualTree, path: string, onDamage: (error: unknown) => void): Promise<KernelNames> {
  // Nobody needs the numbers of the first two; 0 would make them deleted entries to some programs.
  const listed: KernelNames = {
    names: ['.', '..'],
    types: [TYPE_BITS.directory, TYPE_BITS.directory],
    inos: [UNKNOWN_INODE, UNKNOWN_INODE],
  };
  try {
    for await (const batch of tree.batches(path)) addNames(listed, batch, path);
  } catch (error) {
    if (listed.names.length === DOTS || !isUmbraError(error, 'FILESYSTEM_DAMAGED')) throw error;
    onDamage(error);
  }
  return listed;
}

const DOTS = 2;
const UNKNOWN_INODE = 0xffffffff;

function addNames(listed: KernelNames, batch: readonly DirectoryEntry[], path: string): void {
  for (const { name, kind, ino } of batch) {
    listed.names.push(name);
    listed.types.push(kind === undefined ? 0 : TYPE_BITS[kind]);
    listed.inos.push(ino);
  }
  if (listed.names.length > MAX_ENTRIES) throw new TreeError('EFBIG', path);
}

async function xattrNames(tree: VirtualTree, path: string): Promise<readonly string[]> {
  const xattrs = await tree.xattrs(path);
  if (xattrs.size === 0) return [];
  const passable = [...xattrs].filter(
    ([name, { length }]) => length <= MAX_XATTR_BYTES && Buffer.byteLength(name) <= MAX_XATTR_NAME,
  );
  return passable.map(([name]) => name);
}

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

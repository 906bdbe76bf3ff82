import type FuseNative from 'fuse-native';
import { errnoOf } from './errno.js';
import type { Operations } from './operations.js';

type Done<T> = (error: number, value?: T) => void;

/** Tell what came of a request. */
export function answer<T>(work: Promise<T>, done: Done<T>): void {
  work.then(
    (value) => {
      done(0, value);
    },
    (error: unknown) => {
      done(errnoOf(error));
    },
  );
}

/** As read and write want it: a number of bytes in place of success. */
function count(work: Promise<number>, done: (bytesOrError: number) => void): void {
  work.then(done, (error: unknown) => {
    done(errnoOf(error));
  });
}

/** The operations as fuse-native calls them. */
export function handlers(operations: Operations): FuseNative.Operations {
  return {
    ...attributeHandlers(operations),
    ...fileHandlers(operations),
    ...nameHandlers(operations),
  };
}

type Part<Names extends keyof FuseNative.Operations> = Pick<FuseNative.Operations, Names>;

function attributeHandlers(
  operations: Operations,
): Part<
  | 'getattr'
  | 'fgetattr'
  | 'statfs'
  | 'utimens'
  | 'chown'
  | 'chmod'
  | 'setxattr'
  | 'removexattr'
  | 'getxattr'
  | 'listxattr'
> {
  return {
    getattr: (path, done) => {
      answer(operations.getattr(path), done);
    },
    fgetattr: (_path, handle, done) => {
      answer(operations.fgetattr(handle), done);
    },
    statfs: (_path, done) => {
      answer(operations.statfs(), done);
    },
    chown: (path, uid, gid, done) => {
      answer(operations.chown(path, uid, gid), done);
    },
    chmod: (path, mode, done) => {
      answer(operations.chmod(path, mode), done);
    },
    setxattr: (path, name, value, _position, flags, done) => {
      answer(operations.setxattr(path, name, value, flags), done);
    },
    removexattr: (path, name, done) => {
      answer(operations.removexattr(path, name), done);
    },
    // What the package needs to see and never calls: FilterFuse does it.
    utimens: () => undefined,
    getxattr: () => undefined,
    listxattr: () => undefined,
  };
}

function fileHandlers(
  operations: Operations,
): Part<'open' | 'create' | 'read' | 'write' | 'release' | 'flush' | 'fsync' | 'fsyncdir' | 'truncate' | 'ftruncate'> {
  return {
    open: (path, flags, done) => {
      answer(operations.open(path, flags), done);
    },
    create: (path, mode, done) => {
      answer(operations.create(path, mode), done);
    },
    read: (_path, handle, buffer, length, position, done) => {
      count(operations.read(handle, buffer.subarray(0, length), position), done);
    },
    write: (_path, handle, buffer, length, position, done) => {
      count(operations.write(handle, buffer.subarray(0, length), position), done);
    },
    release: (_path, handle, done) => {
      answer(operations.release(handle), done);
    },
    // Closing a descriptor syncs nothing.
    flush: (_path, _handle, done) => {
      done(0);
    },
    fsync: (_path, dataOnly, handle, done) => {
      answer(operations.fsync(handle, dataOnly !== 0), done);
    },
    fsyncdir: (path, _dataOnly, _handle, done) => {
      answer(operations.fsyncdir(path), done);
    },
    truncate: (path, size, done) => {
      answer(operations.truncate(path, size), done);
    },
    ftruncate: (_path, handle, size, done) => {
      answer(operations.ftruncate(handle, size), done);
    },
  };
}

function nameHandlers(
  operations: Operations,
): Part<'readdir' | 'readlink' | 'mknod' | 'unlink' | 'rename' | 'link' | 'symlink' | 'mkdir' | 'rmdir'> {
  return {
    readdir: (path, done) => {
      answer(operations.readdir(path), done);
    },
    readlink: (path, done) => {
      answer(operations.readlink(path), done);
    },
    mknod: (path, mode, device, done) => {
      answer(operations.mknod(path, mode, device), done);
    },
    unlink: (path, done) => {
      answer(operations.unlink(path), done);
    },
    rename: (from, to, done) => {
      answer(operations.rename(from, to), done);
    },
    link: (from, to, done) => {
      answer(operations.link(from, to), done);
    },
    symlink: (target, path, done) => {
      answer(operations.symlink(target, path), done);
    },
    mkdir: (path, mode, done) => {
      answer(operations.mkdir(path, mode), done);
    },
    rmdir: (path, done) => {
      answer(operations.rmdir(path), done);
    },
  };
}

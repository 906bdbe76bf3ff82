import { constants } from 'node:os';
import type Fuse from 'fuse-native';
import { DurableDirectory, DurableFile, OtherNode, type Node } from './power-cut-files.js';

const { EEXIST, EIO, EISDIR, EINVAL, ENODATA, ENOENT, ENOTDIR, ENOTEMPTY } = constants.errno;
const TYPE_MASK = 0o170000;
const REGULAR = 0o100000;
const DIRECTORY = 0o040000;
const LINK = 0o120000;

/** An errno on its way to the kernel. */
class Refusal extends Error {
  constructor(readonly errno: number) {
    super(`errno ${errno}`);
  }
}

type Done<T> = (error: number, value?: T) => void;

/** The file system of power-cut-files.ts, as the kernel calls it. */
export class PowerCutHandlers {
  readonly root = new DurableDirectory(DIRECTORY | 0o755);
  readonly #files = new Map<number, DurableFile>();
  #nextFd = 1;
  #powered = true;

  /** From now on everything fails with EIO. */
  cutPower(): void {
    this.#powered = false;
  }

  /** The handlers that fuse-native is given. */
  operations(): Fuse.Operations {
    return {
      getattr: (path, done) => {
        this.#answer(done, () => statOf(this.#find(path)));
      },
      statfs: (_path, done) => {
        this.#answer(done, () => STATFS);
      },
      readdir: (path, done) => {
        this.#answer<string[]>(done, () => [...this.#directory(path).entries.keys()]);
      },
      readlink: (path, done) => {
        this.#answer(done, () => this.#link(path));
      },
      open: (path, _flags, done) => {
        this.#answer(done, () => this.#openFile(this.#file(path)));
      },
      create: (path, mode, done) => {
        this.#answer(done, () => this.#openFile(this.#create(path, mode)));
      },
      release: (_path, fd, done) => {
        this.#answer(done, () => void this.#files.delete(fd));
      },
      read: (_path, fd, buffer, length, position, done) => {
        this.#count(done, () => this.#opened(fd).read(buffer, length, position));
      },
      write: (_path, fd, buffer, length, position, done) => {
        this.#count(done, () => {
          this.#opened(fd).write(buffer.subarray(0, length), position);
          return length;
        });
      },
      fsync: (_path, _dataOnly, fd, done) => {
        this.#answer(done, () => {
          this.#opened(fd).sync();
        });
      },
      fsyncdir: (path, _dataOnly, _fd, done) => {
        this.#answer(done, () => {
          this.#directory(path).sync();
        });
      },
      truncate: (path, size, done) => {
        this.#answer(done, () => {
          this.#file(path).truncate(size);
        });
      },
      ftruncate: (_path, fd, size, done) => {
        this.#answer(done, () => {
          this.#opened(fd).truncate(size);
        });
      },
      utimens: (_path, _atime, _mtime, done) => {
        this.#answer(done, () => undefined);
      },
      chown: (_path, _uid, _gid, done) => {
        this.#answer(done, () => undefined);
      },
      chmod: (path, mode, done) => {
        this.#answer(done, () => {
          this.#chmod(path, mode);
        });
      },
      mknod: (path, mode, _dev, done) => {
        this.#answer(done, () => void this.#add(path, nodeOfMode(mode)));
      },
      symlink: (target, path, done) => {
        this.#answer(done, () => void this.#add(path, new OtherNode(LINK | 0o777, target)));
      },
      mkdir: (path, mode, done) => {
        this.#answer(done, () => void this.#add(path, new DurableDirectory(DIRECTORY | mode)));
      },
      link: (from, to, done) => {
        this.#answer(done, () => void this.#add(to, this.#file(from)));
      },
      unlink: (path, done) => {
        this.#answer(done, () => {
          this.#unlink(path);
        });
      },
      rmdir: (path, done) => {
        this.#answer(done, () => {
          this.#rmdir(path);
        });
      },
      rename: (from, to, done) => {
        this.#answer(done, () => {
          this.#rename(from, to);
        });
      },
      setxattr: (_path, _name, _value, _position, _flags, done) => {
        this.#answer(done, () => undefined);
      },
      removexattr: (_path, _name, done) => {
        this.#answer(done, () => refuse(ENODATA));
      },
    };
  }

  #answer<T>(done: Done<T>, work: () => T): void {
    this.#try(
      work,
      (value) => {
        done(0, value);
      },
      done,
    );
  }

  /** As read and write want it: a number of bytes in place of success. */
  #count(done: (result: number) => void, work: () => number): void {
    this.#try(work, done, done);
  }

  #try<T>(work: () => T, succeed: (value: T) => void, fail: (errno: number) => void): void {
    let value: T;
    try {
      if (!this.#powered) refuse(EIO);
      value = work();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      fail(-error.errno);
      return;
    }
    succeed(value);
  }

  #find(path: string): Node {
    let node: Node = this.root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      if (!(node instanceof DurableDirectory)) refuse(ENOTDIR);
      node = node.entries.get(name) ?? refuse(ENOENT);
    }
    return node;
  }

  #directory(path: string): DurableDirectory {
    const node = this.#find(path);
    return node instanceof DurableDirectory ? node : refuse(ENOTDIR);
  }

  #file(path: string): DurableFile {
    const node = this.#find(path);
    return node instanceof DurableFile ? node : refuse(EISDIR);
  }

  #link(path: string): string {
    const node = this.#find(path);
    return node instanceof OtherNode ? node.target : refuse(EINVAL);
  }

  #opened(fd: number): DurableFile {
    return this.#files.get(fd) ?? refuse(EIO);
  }

  #openFile(file: DurableFile): number {
    this.#files.set(this.#nextFd, file);
    return this.#nextFd++;
  }

  #place(path: string): { readonly directory: DurableDirectory; readonly name: string } {
    const slash = path.lastIndexOf('/');
    return { directory: this.#directory(path.slice(0, slash)), name: path.slice(slash + 1) };
  }

  #add<N extends Node>(path: string, node: N): N {
    const { directory, name } = this.#place(path);
    if (directory.entries.has(name)) refuse(EEXIST);
    directory.set(name, node);
    return node;
  }

  #create(path: string, mode: number): DurableFile {
    return this.#add(path, new DurableFile(REGULAR | (mode & ~TYPE_MASK)));
  }

  #chmod(path: string, mode: number): void {
    const node = this.#find(path);
    node.mode = (node.mode & TYPE_MASK) | (mode & ~TYPE_MASK);
  }

  #unlink(path: string): void {
    if (this.#find(path) instanceof DurableDirectory) refuse(EISDIR);
    const { directory, name } = this.#place(path);
    directory.set(name, undefined);
  }

  #rmdir(path: string): void {
    if (this.#directory(path).entries.size > 0) refuse(ENOTEMPTY);
    const { directory, name } = this.#place(path);
    directory.set(name, undefined);
  }

  #rename(from: string, to: string): void {
    this.#find(from);
    const source = this.#place(from);
    const target = this.#place(to);
    const replaced = target.directory.entries.get(target.name);
    if (replaced instanceof DurableDirectory && replaced.entries.size > 0) refuse(ENOTEMPTY);
    source.directory.move(source.name, target.directory, target.name);
  }
}

// Plenty of room: 64 GiB.
const STATFS: Fuse.Statfs = {
  bsize: 4096,
  frsize: 4096,
  blocks: 2 ** 24,
  bfree: 2 ** 24,
  bavail: 2 ** 24,
  files: 2 ** 20,
  ffree: 2 ** 20,
  favail: 2 ** 20,
  fsid: 1,
  flag: 0,
  namemax: 255,
};

function statOf(node: Node): Fuse.Stat {
  const size = node instanceof DurableFile ? node.size : 0;
  return {
    mode: node.mode,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    size,
    nlink: 1,
    ino: 0,
    blksize: 4096,
    blocks: Math.ceil(size / 512),
    atime: 0,
    mtime: 0,
    ctime: 0,
  };
}

function nodeOfMode(mode: number): Node {
  return (mode & TYPE_MASK) === REGULAR ? new DurableFile(mode) : new OtherNode(mode);
}

function refuse(errno: number): never {
  throw new Refusal(errno);
}

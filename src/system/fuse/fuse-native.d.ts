/** fuse-native 2.2.6, as far as Umbra uses it. An error is a negative errno; success is 0. */
declare module 'fuse-native' {
  type Done = (error: number) => void;
  type DoneWith<T> = (error: number, value?: T) => void;

  namespace Fuse {
    /** The second argument is the memory that the request came with. */
    type XattrSignal = (sizeOrError: number, memory: ArrayBufferLike) => void;

    interface Stat {
      mode: number;
      uid: number;
      gid: number;
      size: number;
      nlink: number;
      ino: number;
      blksize: number;
      blocks: number;
      /** Of a device, as Linux has it in 32 bits. */
      rdev?: number;
      /** Milliseconds since 1970, not negative. */
      atime: number;
      mtime: number;
      ctime: number;
    }

    /** Every number is cut to 32 bits. */
    interface Statfs {
      bsize: number;
      frsize: number;
      blocks: number;
      bfree: number;
      bavail: number;
      files: number;
      ffree: number;
      favail: number;
      fsid: number;
      flag: number;
      namemax: number;
    }

    interface Operations {
      getattr(path: string, done: DoneWith<Stat>): void;
      /** Of an open file. */
      fgetattr?(path: string, fd: number, done: DoneWith<Stat>): void;
      statfs(path: string, done: DoneWith<Statfs>): void;
      /** `stats` has an entry for each name. */
      readdir(path: string, done: (error: number, names?: string[], stats?: Stat[]) => void): void;
      readlink(path: string, done: DoneWith<string>): void;
      open(path: string, flags: number, done: DoneWith<number>): void;
      /** `done` takes the number of bytes or a negative errno; `buffer` is gone afterwards. */
      read(path: string, fd: number, buffer: Buffer, length: number, position: number, done: Done): void;
      release(path: string, fd: number, done: Done): void;
      write(path: string, fd: number, buffer: Buffer, length: number, position: number, done: Done): void;
      create(path: string, mode: number, done: DoneWith<number>): void;
      flush?(path: string, fd: number, done: Done): void;
      fsync?(path: string, dataOnly: number, fd: number, done: Done): void;
      fsyncdir?(path: string, dataOnly: number, fd: number, done: Done): void;
      truncate(path: string, size: number, done: Done): void;
      ftruncate(path: string, fd: number, size: number, done: Done): void;
      utimens(path: string, atime: number, mtime: number, done: Done): void;
      chown(path: string, uid: number, gid: number, done: Done): void;
      chmod(path: string, mode: number, done: Done): void;
      mknod(path: string, mode: number, dev: number, done: Done): void;
      setxattr(path: string, name: string, value: Buffer, position: number, flags: number, done: Done): void;
      getxattr?(path: string, name: string, position: number, done: DoneWith<Buffer>): void;
      listxattr?(path: string, done: DoneWith<string[]>): void;
      removexattr(path: string, name: string, done: Done): void;
      unlink(path: string, done: Done): void;
      rename(from: string, to: string, done: Done): void;
      link(from: string, to: string, done: Done): void;
      symlink(target: string, path: string, done: Done): void;
      mkdir(path: string, mode: number, done: Done): void;
      rmdir(path: string, done: Done): void;
    }

    interface Options {
      /** False: a handler may take as long as it likes. */
      timeout: false;
    }
  }

  class Fuse {
    constructor(mountPoint: string, operations: Fuse.Operations, options: Fuse.Options);
    /** Called by {@link close} to take the mount away; replaceable. The package's own one runs a shell. */
    static unmount: (mountPoint: string, done: (error: Error | null) => void) => void;
    mount(done: (error: Error | null | undefined) => void): void;
    close(done: (error: Error | null | undefined) => void): void;
    /** The option string that libfuse gets, beginning with `-o`. */
    protected _fuseOptions(): string;
    /** Makes the memory that a thread of libfuse needs; called on the main thread. It must stay alive. */
    protected _malloc(bytes: number): Buffer;
    /** What requests are given to, by their number; called by the constructor. */
    protected _makeHandlerArray(): unknown[];
    /** Answers a readdir: `stats` has an array of 18 numbers, as `struct stat` has them, for each name. */
    protected _op_readdir(
      signal: (error: number, names?: readonly string[], stats?: readonly Uint32Array[]) => void,
      path: string,
    ): void;
    /** Answers a getxattr: the size, after writing the value to `target` if that has a length. */
    protected _op_getxattr(signal: XattrSignal, path: string, name: string, target: Buffer): void;
    /** Answers a listxattr: the size of all names, each with a NUL behind it, after writing them to `target` if that has a length. */
    protected _op_listxattr(signal: XattrSignal, path: string, target: Buffer): void;
    /** Mounts; called by {@link mount}, once. */
    protected _open(done: (error: Error | null | undefined) => void): void;
    /** Called and set to null when the kernel has answered. */
    protected _openCallback: ((error: Error | null | undefined) => void) | null;
    protected _handlers: readonly unknown[];
    /** Which requests there are handlers for. */
    protected _getImplementedArray(): Uint32Array;
    /** What requests are given to; the package looks it up for each. */
    protected ops: Partial<Fuse.Operations>;
    /** The `fuse_thread_t`, once it is mounted; its first eight bytes are the address of the N-API environment. */
    protected _thread: Buffer | null;
  }

  export = Fuse;
}

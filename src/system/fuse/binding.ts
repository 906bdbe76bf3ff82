import { createRequire } from 'node:module';
import { dirname } from 'node:path';

/**
 * The native half of fuse-native 2.2.6. A request is the memory of the thread of libfuse that waits for it; its signal takes
 * the answer, or a negative errno, and lets the thread go on.
 */
export interface Binding {
  readonly op_getattr: number;
  readonly op_open: number;
  readonly op_read: number;
  readonly op_release: number;
  readonly op_utimens: number;
  readonly sizeof_fuse_thread_t: number;
  /** Calls the handler of `init` when the kernel has answered. */
  fuse_native_mount(
    mountPoint: string,
    options: string,
    thread: Buffer,
    context: object,
    allocate: (bytes: number) => Buffer,
    handlers: readonly unknown[],
    implemented: Uint32Array,
  ): void;
  fuse_native_signal_getattr(request: Buffer, error: number, stat: Uint32Array): void;
  fuse_native_signal_open(request: Buffer, error: number, handle: number): void;
  /** The last one is the memory that the bytes went to; it is taken away from JavaScript. */
  fuse_native_signal_read(request: Buffer, bytesOrError: number, unused: number, memory: ArrayBufferLike): void;
  fuse_native_signal_release(request: Buffer, error: number): void;
  fuse_native_signal_utimens(request: Buffer, error: number): void;
}

/** Call it after fuse-native itself was loaded. */
export function loadBinding(packages: NodeJS.Require): Binding {
  const main = packages.resolve('fuse-native');
  const load = createRequire(main)('node-gyp-build') as (directory: string) => Binding;
  return load(dirname(main));
}

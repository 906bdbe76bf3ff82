import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { statNumbers } from '../src/system/fuse/answers.js';
import type { Handlers } from './handlers.js';

/**
 * The native half of fuse-native 2.2.6. A request is the memory of the thread of libfuse that waits for it; its signal takes
 * the answer, or a negative errno, and lets the thread go on.
 */
export interface Binding {
  readonly op_getattr: number;
  readonly op_open: number;
  readonly op_read: number;
  readonly op_release: number;
  fuse_native_signal_getattr(request: Buffer, error: number, stat: Uint32Array): void;
  fuse_native_signal_open(request: Buffer, error: number, handle: number): void;
  /** The last one is the memory that the bytes went to; it is taken away from JavaScript. */
  fuse_native_signal_read(request: Buffer, bytesOrError: number, unused: number, memory: ArrayBufferLike): void;
  fuse_native_signal_release(request: Buffer, error: number): void;
}

const TWO_32 = 2 ** 32;

/** Call it after fuse-native itself was loaded. */
export function loadBinding(packages: NodeJS.Require): Binding {
  const main = packages.resolve('fuse-native');
  const load = createRequire(main)('node-gyp-build') as (directory: string) => Binding;
  return load(dirname(main));
}

/**
 * Puts handlers of its own into the package's array of them, for the four requests that reading a small file is made of. The
 * package's make arrays and a bound function for each request, and answer at the next tick of Node.js.
 */
export function answerAtOnce(handlers: unknown[], binding: Binding, current: () => Handlers | undefined): void {
  handlers[binding.op_getattr] = (request: Buffer, _operation: number, path: string) => {
    current()?.getattr(path, (error, stat) => {
      binding.fuse_native_signal_getattr(request, error, statNumbers(stat));
    });
  };
  handlers[binding.op_open] = (request: Buffer, _operation: number, path: string, flags: number) => {
    current()?.open(path, flags, (error, handle = 0) => {
      binding.fuse_native_signal_open(request, error, handle);
    });
  };
  handlers[binding.op_read] = (
    request: Buffer,
    _operation: number,
    path: string,
    handle: number,
    buffer: Buffer,
    length: number,
    positionLow: number,
    positionHigh: number,
  ) => {
    current()?.read(path, handle, buffer, length, positionLow + positionHigh * TWO_32, (bytes) => {
      binding.fuse_native_signal_read(request, bytes, 0, buffer.buffer);
    });
  };
  handlers[binding.op_release] = (request: Buffer, _operation: number, path: string, handle: number) => {
    current()?.release(path, handle, (error) => {
      binding.fuse_native_signal_release(request, error);
    });
  };
}

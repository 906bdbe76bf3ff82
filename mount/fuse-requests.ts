import { statNumbers } from '../src/system/fuse/answers.js';
import type { Binding } from '../src/system/fuse/binding.js';
import type { Handlers } from './handlers.js';

const TWO_32 = 2 ** 32;

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

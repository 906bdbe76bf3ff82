import { connect, type Socket } from 'node:net';
import { messageOf, systemCode, UmbraError } from '../../../src/common/errors.js';
import type { Parser } from './parser.js';

/**
 * Connect to a Unix socket whose bytes `parser` reads; each read of the socket lands in the buffer
 * that the parser gave. `ended` is called once, when the connection is over, with what ended it.
 */
export function openSocket(socketPath: string, parser: Parser, ended: (reason: UmbraError) => void): Socket {
  // Node.js asks for a buffer before there is anything to read, and once more after the end.
  let buffer: Uint8Array = new Uint8Array(1);
  let filled = 0;
  const advance = (): void => {
    const step = parser.next();
    if (step.done === true) throw new UmbraError('INTERNAL', 'an NBD parser ended');
    buffer = step.value;
    filled = 0;
  };
  advance();
  const socket = connect({
    path: socketPath,
    onread: {
      buffer: () => (filled === 0 ? buffer : buffer.subarray(filled)),
      callback(length) {
        filled += length;
        // An exception would leave through the event loop.
        try {
          if (filled === buffer.length) advance();
        } catch (error) {
          socket.destroy(asError(error));
          buffer = new Uint8Array(1);
          filled = 0;
          return false;
        }
        return true;
      },
    },
  });
  let reason: UmbraError | undefined;
  socket.on('error', (error) => {
    reason ??= asError(error);
  });
  // The other side ended the stream; nothing more can come.
  socket.on('end', () => {
    socket.destroy();
  });
  socket.on('close', () => {
    ended(reason ?? new UmbraError('IMAGE_FAILED', 'the NBD server closed the connection'));
  });
  return socket;
}

function asError(error: unknown): UmbraError {
  if (error instanceof UmbraError) return error;
  const code = systemCode(error);
  const what =
    code === 'ECONNRESET' || code === 'EPIPE' ? 'the NBD server broke the connection' : 'the NBD connection failed';
  return new UmbraError('IMAGE_FAILED', `${what}: ${messageOf(error)}`, { cause: error });
}

import type { IncomingMessage } from 'node:http';
import { messageOf, UmbraError } from '../common/errors.js';
import { fromWireError, isWireError } from '../protocol/wire-error.js';
import { ERROR_TRAILER, SHADOW_COPY_HEADER, SIZE_HEADER } from '../protocol/wire.js';

/** A file that comes from the server. */
export interface ByteStream {
  /** The shadow copy's name. */
  readonly shadowCopy: string;
  readonly sizeBytes: number;
  /** @throws {UmbraError} the error by which it broke off; SERVER_UNREACHABLE when the server dies, CANCELLED */
  readonly pieces: AsyncGenerator<Uint8Array, void>;
}

/** The bytes that an answer carries. */
export function byteStream(response: IncomingMessage, interrupted?: AbortSignal): ByteStream {
  return {
    shadowCopy: String(response.headers[SHADOW_COPY_HEADER] ?? ''),
    sizeBytes: Number(response.headers[SIZE_HEADER]),
    pieces: pieces(response, interrupted),
  };
}

async function* pieces(response: IncomingMessage, interrupted?: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const cancelled = new UmbraError('CANCELLED', 'cancelled');
  const cancel = (): void => {
    response.destroy(cancelled);
  };
  interrupted?.addEventListener('abort', cancel);
  if (interrupted?.aborted === true) cancel();
  try {
    yield* response as AsyncIterable<Buffer>;
  } catch (cause) {
    if (cause === cancelled) throw cancelled;
    throw new UmbraError('SERVER_UNREACHABLE', `the server broke off its answer: ${messageOf(cause)}`, { cause });
  } finally {
    interrupted?.removeEventListener('abort', cancel);
  }
  const trailer = response.trailers[ERROR_TRAILER];
  if (trailer !== undefined) throw errorOf(trailer);
}

function errorOf(trailer: string): UmbraError {
  const wire: unknown = JSON.parse(decodeURIComponent(trailer));
  return isWireError(wire) ? fromWireError(wire) : new UmbraError('INTERNAL', trailer);
}

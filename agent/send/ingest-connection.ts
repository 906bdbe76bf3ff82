import type { Socket } from 'node:net';
import { messageOf, UmbraError } from '../../src/common/errors.js';
import { encodeFrame, readFrames } from '../../src/protocol/frames.js';
import { readJson } from '../../src/transport/answer.js';
import type { StreamedRequest } from '../../src/transport/https-transport.js';
import type { Message } from '../../src/transport/message.js';
import type { Connection } from './connection.js';

/** How the stream gets to the server. */
export interface IngestTransport {
  /** A request whose body is written while its answer is read, on a connection of its own. */
  stream(message: Message): Promise<StreamedRequest>;
}

/** Open the stream by which a shadow copy is sent. @throws {UmbraError} SERVER_UNREACHABLE, and what the server refuses it with */
export async function openIngest(transport: IngestTransport, signal: AbortSignal): Promise<Connection> {
  const { request, response } = await transport.stream({ method: 'POST', path: '/v1/ingest' });
  if (response.statusCode !== 200) await readJson(response);
  if (signal.aborted) request.destroy();
  let failure: unknown;
  request.on('error', (error) => {
    failure ??= error;
  });
  response.on('error', (error) => {
    failure ??= error;
  });
  const broken = (error?: unknown): UmbraError => brokenOff(failure ?? error);
  const { socket } = request;
  if (socket === null) throw broken();
  const write = chunkWriter(socket);
  return {
    send: async (frame, body) => {
      if (failure !== undefined || request.destroyed) throw broken();
      try {
        await write(...encodeFrame(frame, body));
      } catch (error) {
        throw broken(error);
      }
    },
    frames: readFrames(response),
    close: () => {
      request.destroy();
    },
  };
}

/** Up to this a body is copied behind its header. */
const SMALL_BYTES = 64 * 1024;

/**
 * Writes chunks of the request's body to its connection (RFC 9112, 7.1), one after the other. Node's own, and all that waits to be written, would
 * reach TLS as several buffers, which are copied into new memory first: a sixth of what an agent took of the processor.
 * @returns resolves when there is room for the next chunk, and the memory of this one is free
 */
function chunkWriter(socket: Socket): (head: Buffer, data: Uint8Array) => Promise<void> {
  let before = '';
  let last: Promise<void> = Promise.resolve();
  let flushed: Promise<void> = Promise.resolve();
  const write = (bytes: Uint8Array): boolean => {
    let hasRoom = false;
    flushed = new Promise((resolve, reject) => {
      hasRoom = socket.write(bytes, (error) => {
        if (error instanceof Error) reject(error);
        else resolve();
      });
    });
    // Whoever does not wait for it learns of the failure from the request.
    flushed.catch(nothing);
    return hasRoom;
  };
  const writeChunk = async (head: Buffer, data: Uint8Array): Promise<void> => {
    const start = `${before}${(head.length + data.length).toString(16)}\r\n`;
    before = '\r\n';
    const first = Buffer.concat([Buffer.from(start, 'latin1'), head]);
    if (data.length <= SMALL_BYTES) {
      if (!write(Buffer.concat([first, data]))) await flushed;
      return;
    }
    await flushed;
    write(first);
    write(data);
    await flushed;
  };
  return (head, data) => {
    const written = last.then(() => writeChunk(head, data));
    last = written.catch(nothing);
    return written;
  };
}

function nothing(): void {
  // There is nothing to do.
}

/** What a connection that broke off is to whoever used it. */
export function brokenOff(cause: unknown): UmbraError {
  const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
  return new UmbraError('SERVER_UNREACHABLE', `the connection to the server was lost${why}`, { cause });
}

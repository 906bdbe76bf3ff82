import type { ClientRequest } from 'node:http';
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
  return {
    send: async (frame, body) => {
      if (failure !== undefined || request.destroyed) throw brokenOff(failure);
      const [head, data] = encodeFrame(frame, body);
      request.write(head);
      if (request.write(data)) return;
      if (!(await drained(request))) throw brokenOff(failure);
    },
    frames: readFrames(response),
    close: () => {
      request.destroy();
    },
  };
}

/**
 * Wait for room. Leaves no listener behind: it is called for each region.
 * @returns false if the request is over
 */
function drained(request: ClientRequest): Promise<boolean> {
  return new Promise((resolve) => {
    const go = (): void => {
      request.off('drain', go).off('close', go);
      resolve(!request.destroyed);
    };
    request.on('drain', go).on('close', go);
  });
}

/** What a connection that broke off is to whoever used it. */
export function brokenOff(cause: unknown): UmbraError {
  const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
  return new UmbraError('SERVER_UNREACHABLE', `the connection to the server was lost${why}`, { cause });
}

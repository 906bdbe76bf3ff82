import { createServer, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { OWNER } from './caller.js';
import type { RequestHandler } from './request-handler.js';

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** The HTTP server of a store's socket, not yet listening: whoever reaches the socket is the store's owner. */
export function createHttpServer(handler: RequestHandler): Server {
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      void handler(request, response, () => ({ caller: OWNER }));
    },
  );
  server.on('clientError', (_error, socket) => {
    refuseConnection(socket);
  });
  return server;
}

/** For what is not HTTP. */
export function refuseConnection(socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${JSON.stringify({ error: { code: 'BAD_ARGUMENT', message: 'this is not an HTTP request' } })}\n`;
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
}

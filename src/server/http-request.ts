import type { IncomingMessage, ServerResponse } from 'node:http';
import { ERROR_CODES, type ErrorCode } from '../common/error-codes.js';
import { isErrorCode, UmbraError } from '../common/errors.js';
import type { ExitCodeName } from '../common/exit-codes.js';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '../protocol/version.js';
import { toWireError } from '../protocol/wire-error.js';

const MAX_BODY_BYTES = 1024 * 1024;

/**
 * The parameters of a request: its JSON body, or for GET its query.
 * @throws {UmbraError} BAD_ARGUMENT
 */
export async function readParams(request: IncomingMessage, url: URL): Promise<unknown> {
  if (request.method === 'GET') return queryParams(url);
  const text = await readBody(request);
  if (text === '') return {};
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', 'the body of the request is not JSON', { cause });
  }
}

function queryParams(url: URL): unknown {
  const params = new Map<string, string>();
  for (const [key, value] of url.searchParams) {
    if (params.has(key)) throw new UmbraError('BAD_ARGUMENT', `"${key}" is given twice`);
    params.set(key, value);
  }
  return Object.fromEntries(params);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) {
      throw new UmbraError('BAD_ARGUMENT', `the body of the request is larger than ${MAX_BODY_BYTES} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** @throws {UmbraError} SERVER_VERSION for a client that names another protocol */
export function checkProtocol(request: IncomingMessage): void {
  const theirs = request.headers[PROTOCOL_HEADER];
  if (theirs === undefined || theirs === String(PROTOCOL_VERSION)) return;
  throw new UmbraError(
    'SERVER_VERSION',
    `the running server speaks protocol ${PROTOCOL_VERSION}, this command ${String(theirs)}`,
    { hint: 'Run "umbra stop" and try again; the next command starts a server of its own version.' },
  );
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  if (response.headersSent || response.destroyed) return;
  const body = `${JSON.stringify(value)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    [PROTOCOL_HEADER]: PROTOCOL_VERSION,
  });
  response.end(body);
}

export function sendError(response: ServerResponse, error: unknown, status?: number): void {
  const wire = toWireError(error);
  const code: ErrorCode = isErrorCode(wire.code) ? wire.code : 'INTERNAL';
  sendJson(response, status ?? httpStatus(code), { error: wire });
}

const STATUS_OF_EXIT: Partial<Record<ExitCodeName, number>> = { USAGE: 400, NOT_FOUND: 404, BUSY: 409, REFUSED: 403 };

function httpStatus(code: ErrorCode): number {
  if (code === 'SERVER_STOPPING') return 503;
  if (code === 'SERVER_VERSION') return 400;
  if (code === 'UNAUTHENTICATED') return 401;
  return STATUS_OF_EXIT[ERROR_CODES[code].exit] ?? 500;
}

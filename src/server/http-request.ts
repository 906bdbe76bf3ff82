import type { IncomingMessage, ServerResponse } from 'node:http';
import { ERROR_CODES, type ErrorCode } from '../common/error-codes.js';
import { isErrorCode, UmbraError } from '../common/errors.js';
import type { ExitCodeName } from '../common/exit-codes.js';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '../protocol/version.js';
import { toWireError } from '../protocol/wire-error.js';

const MAX_BODY_BYTES = 1024 * 1024;
/** Of somebody who has not shown who he is. */
const MAX_STRANGER_BODY_BYTES = 32 * 1024;
/** Parameters are small; who sends them in drops keeps a place that others want. */
const BODY_LIMIT_MS = 30_000;

export interface BodyLimits {
  readonly bytes: number;
  readonly ms: number;
}

/** How much of a body is read of somebody. */
export function bodyLimits(isStranger: boolean): BodyLimits {
  return { bytes: isStranger ? MAX_STRANGER_BODY_BYTES : MAX_BODY_BYTES, ms: BODY_LIMIT_MS };
}

/**
 * The parameters of a request: its JSON body, or for GET its query.
 * @throws {UmbraError} BAD_ARGUMENT
 */
export async function readParams(
  request: IncomingMessage,
  url: URL,
  limits: BodyLimits = bodyLimits(false),
): Promise<unknown> {
  if (request.method === 'GET') return queryParams(url);
  const text = await readBodyInTime(request, limits);
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

async function readBodyInTime(request: IncomingMessage, { bytes, ms }: BodyLimits): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new UmbraError('BAD_ARGUMENT', `the body of the request took longer than ${ms / 1000} s`));
    }, ms);
  });
  const body = readBody(request, bytes);
  // What comes late ends with the connection, and nobody waits for it any more.
  body.catch(() => undefined);
  try {
    return await Promise.race([body, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes) {
      throw new UmbraError('BAD_ARGUMENT', `the body of the request is larger than ${maxBytes} bytes`);
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
  if (code === 'UNAUTHENTICATED' && !response.headersSent) response.setHeader('www-authenticate', 'Bearer');
  sendJson(response, status ?? httpStatus(code), { error: wire });
}

const STATUS_OF_EXIT: Partial<Record<ExitCodeName, number>> = { USAGE: 400, NOT_FOUND: 404, BUSY: 409, REFUSED: 403 };

/** The status of an answer that is an error. */
export function httpStatus(code: ErrorCode): number {
  if (code === 'SERVER_STOPPING') return 503;
  if (code === 'SERVER_VERSION') return 400;
  if (code === 'UNAUTHENTICATED') return 401;
  if (code === 'TOO_MANY_TRIES') return 429;
  return STATUS_OF_EXIT[ERROR_CODES[code].exit] ?? 500;
}

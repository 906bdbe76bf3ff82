import type { ErrorCode } from '../../../src/common/error-codes.js';
import { UmbraError } from '../../../src/common/errors.js';
import { SystemCallError } from '../../../src/system/system-call-error.js';
import { COMMAND, ERROR_NAMES, REQUEST_MAGIC, type Command } from './constants.js';

/** An extent of a block status reply. */
export interface StatusExtent {
  readonly length: number;
  /** What they mean is the context's affair. */
  readonly flags: number;
}

/** A request that has been sent and not been answered in full. */
export interface Request {
  readonly command: Command;
  readonly offset: number;
  readonly length: number;
  /** Where a read's data go. */
  readonly target: Uint8Array | undefined;
  /** How much of the target is filled; it is filled from front to back. */
  received: number;
  /** The answers to a block status, by the number of the context. */
  readonly statuses: Map<number, readonly StatusExtent[]>;
  failure: UmbraError | undefined;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly finish: (failure: UmbraError | undefined) => void;
}

const COMMAND_NAMES: ReadonlyMap<Command, string> = new Map([
  [COMMAND.read, 'read'],
  [COMMAND.write, 'write'],
  [COMMAND.flush, 'flush'],
  [COMMAND.writeZeroes, 'zero'],
  [COMMAND.blockStatus, 'say what is allocated of'],
]);

/** Requests under way, by the cookie that the server sends back. */
export class RequestTable {
  readonly #requests = new Map<number, Request>();
  #nextCookie = 1;

  get size(): number {
    return this.#requests.size;
  }

  /** The request that should be answered first; undefined when there is none. */
  get mostUrgent(): Request | undefined {
    let urgent: Request | undefined;
    for (const request of this.#requests.values()) {
      if (urgent === undefined || request.deadlineMs < urgent.deadlineMs) urgent = request;
    }
    return urgent;
  }

  /** @returns the request's cookie */
  add(request: Request): number {
    const cookie = this.#nextCookie++;
    this.#requests.set(cookie, request);
    return cookie;
  }

  /** @param bytes - a cookie as the server sent it, 8 bytes at `at` */
  find(bytes: Buffer, at: number): { readonly cookie: number; readonly request: Request } | undefined {
    const cookie = bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
    const request = this.#requests.get(cookie);
    return request && { cookie, request };
  }

  finish(cookie: number, failure: UmbraError | undefined): void {
    const request = this.#requests.get(cookie);
    this.#requests.delete(cookie);
    request?.finish(failure);
  }

  failAll(failure: UmbraError): void {
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of requests) request.finish(failure);
  }
}

/** The 28 bytes of a request. */
export function requestHeader(command: Command, flags: number, cookie: number, offset: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(28);
  header.writeUInt32BE(REQUEST_MAGIC, 0);
  header.writeUInt16BE(flags, 4);
  header.writeUInt16BE(command, 6);
  writeUint64(header, cookie, 8);
  writeUint64(header, offset, 16);
  header.writeUInt32BE(length, 24);
  return header;
}

/** The error of one request: the server could not do it, and goes on. Its cause has the errno, if that is known. */
export function requestFailed(request: Request, errno: number, reason: string): UmbraError {
  const { command, offset, length } = request;
  const code: ErrorCode =
    command === COMMAND.read || command === COMMAND.blockStatus ? 'IMAGE_FAILED' : 'TARGET_FAILED';
  const name = ERROR_NAMES.get(errno) ?? `error ${errno}`;
  const what = `the NBD server could not ${COMMAND_NAMES.get(command) ?? 'handle'} ${length} bytes at ${offset}: ${name}`;
  // The reason may come from anyone and go to a terminal.
  const printable = reason.replaceAll(/[^\x20-\x7e]/g, '?');
  return new UmbraError(code, printable === '' ? what : `${what}, ${printable}`, {
    // The protocol's numbers are those of Linux.
    cause: ERROR_NAMES.has(errno) ? new SystemCallError('NBD request', errno) : undefined,
  });
}

function writeUint64(target: Buffer, value: number, at: number): void {
  target.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  target.writeUInt32BE(value % 2 ** 32, at + 4);
}

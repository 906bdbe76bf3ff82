import { CHUNK, CHUNK_DONE, COMMAND, SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC } from './constants.js';
import type { NbdExport } from './handshake.js';
import { protocolError, take, type Parser } from './parser.js';
import { requestFailed, type Request, type RequestTable, type StatusExtent } from './requests.js';

const MAX_STATUS_BYTES = 2 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;

interface Chunk {
  readonly request: Request;
  readonly type: number;
  readonly length: number;
}

/**
 * All replies, without end. A server's every claim is checked before a byte is stored: a read's
 * chunks must lie in its range, come from front to back and fill it, so that no caller ever takes
 * what was in its buffer before for data of the disk.
 * @throws {UmbraError} IMAGE_FAILED; the connection is of no use then
 */
export function* replies(requests: RequestTable, nbdExport: NbdExport): Parser {
  const header = Buffer.alloc(16);
  const length = Buffer.alloc(4);
  for (;;) {
    yield header;
    const magic = header.readUInt32BE(0);
    const found = requests.find(header, 8);
    if (magic !== SIMPLE_REPLY_MAGIC && magic !== STRUCTURED_REPLY_MAGIC) throw protocolError('wrong magic in a reply');
    if (found === undefined) throw protocolError('a reply to no request');
    const { cookie, request } = found;
    if (magic === SIMPLE_REPLY_MAGIC) {
      yield* simpleReply(request, header.readUInt32BE(4), nbdExport);
      requests.finish(cookie, request.failure);
      continue;
    }
    if (!nbdExport.structured) throw protocolError('a structured reply that was not agreed on');
    const flags = header.readUInt16BE(4);
    const type = header.readUInt16BE(6);
    yield length;
    yield* chunk({ request, type, length: length.readUInt32BE(0) }, nbdExport);
    if ((flags & CHUNK_DONE) === 0) {
      if (type === CHUNK.none) throw protocolError('an empty chunk that is not the last');
      continue;
    }
    checkComplete(request, nbdExport);
    requests.finish(cookie, request.failure);
  }
}

function* simpleReply(request: Request, errno: number, { structured }: NbdExport): Parser {
  if (errno !== 0) {
    request.failure = requestFailed(request, errno, '');
    return;
  }
  if (request.command === COMMAND.blockStatus) throw protocolError('a simple reply to a block status');
  if (request.target === undefined) return;
  if (structured) throw protocolError('a simple reply to a read');
  yield* fill(request, request.target.length);
}

function* chunk(part: Chunk, nbdExport: NbdExport): Parser {
  if (part.type >= CHUNK.errorBit) return yield* errorChunk(part);
  switch (part.type) {
    case CHUNK.none:
      if (part.length !== 0) throw protocolError('an empty chunk with content');
      return;
    case CHUNK.offsetData:
      return yield* dataChunk(part);
    case CHUNK.offsetHole:
      return yield* holeChunk(part);
    case CHUNK.blockStatus:
      return yield* statusChunk(part, nbdExport);
    default:
      throw protocolError(`a chunk of unknown type ${part.type}`);
  }
}

function* dataChunk({ request, length }: Chunk): Parser {
  if (length <= 8) throw protocolError('a data chunk without data');
  const offset = (yield* take(8)).readBigUInt64BE(0);
  checkPlace(request, offset, length - 8);
  yield* fill(request, length - 8);
}

function* holeChunk({ request, length }: Chunk): Parser {
  if (length !== 12) throw protocolError('a hole chunk of a wrong length');
  const bytes = yield* take(12);
  const holeLength = bytes.readUInt32BE(8);
  checkPlace(request, bytes.readBigUInt64BE(0), holeLength);
  request.target?.fill(0, request.received, request.received + holeLength);
  request.received += holeLength;
}

/** The next `length` bytes of the stream go into the read's buffer. */
function* fill(request: Request, length: number): Parser {
  if (request.target === undefined) throw protocolError('data for a request that reads nothing');
  yield request.target.subarray(request.received, request.received + length);
  request.received += length;
}

function checkPlace(request: Request, offset: bigint, length: number): void {
  if (request.target === undefined) throw protocolError('data for a request that reads nothing');
  if (offset !== BigInt(request.offset + request.received)) throw protocolError('data out of order');
  if (length === 0 || length > request.target.length - request.received)
    throw protocolError('more data than asked for');
}

function* statusChunk({ request, length }: Chunk, { contexts }: NbdExport): Parser {
  if (request.command !== COMMAND.blockStatus) throw protocolError('a block status not asked for');
  if (length < 12 || length % 8 !== 4 || length > MAX_STATUS_BYTES)
    throw protocolError('a block status of wrong length');
  const bytes = yield* take(length);
  const context = bytes.readUInt32BE(0);
  if (![...contexts.values()].includes(context)) throw protocolError('a block status of an unknown context');
  if (request.statuses.has(context)) throw protocolError('a block status not asked for');
  request.statuses.set(context, parseExtents(bytes.subarray(4), request.length));
}

/** The last extent may reach beyond what was asked; others may not. */
function parseExtents(bytes: Buffer, asked: number): StatusExtent[] {
  const extents: StatusExtent[] = [];
  let left = asked;
  for (let at = 0; at < bytes.length; at += 8) {
    const length = bytes.readUInt32BE(at);
    if (length === 0 || left === 0) throw protocolError('a block status with impossible extents');
    extents.push({ length: Math.min(length, left), flags: bytes.readUInt32BE(at + 4) });
    left -= Math.min(length, left);
  }
  return extents;
}

/** Error number, length of the message, message; some types have more behind it. */
function* errorChunk({ request, length }: Chunk): Parser {
  if (length < 6 || length > MAX_ERROR_BYTES) throw protocolError('an error of a wrong length');
  const bytes = yield* take(length);
  const errno = bytes.readUInt32BE(0);
  const messageLength = bytes.readUInt16BE(4);
  if (errno === 0 || messageLength > length - 6) throw protocolError('an error without content');
  request.failure ??= requestFailed(request, errno, bytes.toString('utf8', 6, 6 + Math.min(messageLength, 500)));
}

function checkComplete(request: Request, { contexts }: NbdExport): void {
  if (request.failure) return;
  if (request.target && request.received !== request.target.length) throw protocolError('less data than asked for');
  if (request.command === COMMAND.blockStatus && request.statuses.size < contexts.size)
    throw protocolError('a block status without extents');
}

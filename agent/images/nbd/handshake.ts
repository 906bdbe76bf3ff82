import { UmbraError } from '../../../src/common/errors.js';
import {
  DEFAULT_MAXIMUM_BYTES,
  GREETING,
  HANDSHAKE,
  INFO,
  OPTION,
  OPTION_MAGIC,
  OPTION_REPLY,
  OPTION_REPLY_MAGIC,
  TRANSMISSION,
} from './constants.js';
import { protocolError, take, type Parser } from './parser.js';

/** What the server says of an export. */
export interface NbdExport {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly canFlush: boolean;
  readonly canWriteZeroes: boolean;
  /** Offsets and lengths are multiples of it. */
  readonly minimumBytes: number;
  /** The longest read or write. */
  readonly maximumBytes: number;
  readonly structured: boolean;
  /** The meta contexts that were asked for and that the server has, with its numbers for them. */
  readonly contexts: ReadonlyMap<string, number>;
}

const MAX_REPLY_BYTES = 64 * 1024;
const MAX_REPLIES = 64;

interface OptionReply {
  readonly type: number;
  readonly data: Buffer;
}

/**
 * The fixed newstyle handshake, up to the beginning of transmission.
 * @param contexts - meta contexts to ask for; a server leaves out those that it does not have
 * @throws {UmbraError} IMAGE_FAILED
 */
export function* handshake(
  send: (bytes: Buffer) => void,
  exportName: string,
  contexts: readonly string[],
): Parser<NbdExport> {
  yield* greet(send);
  const structured = !isRefused(yield* option(send, OPTION.structuredReply, Buffer.alloc(0)));
  const name = lengthPrefixed(exportName);
  const chosen = structured ? yield* chooseContexts(send, name, contexts) : new Map<string, number>();
  const replies = yield* option(send, OPTION.go, Buffer.concat([name, Buffer.alloc(2)]));
  return { structured, contexts: chosen, ...exportInfo(replies) };
}

/** A handshake that is broken off in good order: what comes then is the end of the connection. @throws {UmbraError} IMAGE_FAILED */
export function* abortedHandshake(send: (bytes: Buffer) => void): Parser {
  yield* greet(send);
  yield* option(send, OPTION.abort, Buffer.alloc(0));
}

function* greet(send: (bytes: Buffer) => void): Parser {
  const greeting = yield* take(GREETING.length + 2);
  if (!greeting.subarray(0, GREETING.length).equals(GREETING)) throw protocolError('it is no newstyle NBD server');
  const offered = greeting.readUInt16BE(GREETING.length);
  if ((offered & HANDSHAKE.fixedNewstyle) === 0) throw protocolError('its handshake is too old');
  send(uint32(offered & (HANDSHAKE.fixedNewstyle | HANDSHAKE.noZeroes)));
}

function* chooseContexts(
  send: (bytes: Buffer) => void,
  name: Buffer,
  contexts: readonly string[],
): Parser<Map<string, number>> {
  const queries = [uint32(contexts.length), ...contexts.map((context) => lengthPrefixed(context))];
  const replies = yield* option(send, OPTION.setMetaContext, Buffer.concat([name, ...queries]));
  const chosen = new Map<string, number>();
  for (const { type, data } of replies) {
    if (type !== OPTION_REPLY.metaContext) continue;
    if (data.length < 4) throw protocolError('a meta context without a number');
    const context = data.toString('utf8', 4);
    // What was not asked for would be answered to every question.
    if (!contexts.includes(context) || chosen.has(context)) throw protocolError('a meta context not asked for');
    chosen.set(context, data.readUInt32BE(0));
  }
  if (new Set(chosen.values()).size < chosen.size) throw protocolError('one number for two meta contexts');
  return chosen;
}

/** Send an option and read the replies up to the one that ends it. */
function* option(send: (bytes: Buffer) => void, number: number, data: Buffer): Parser<OptionReply[]> {
  send(Buffer.concat([OPTION_MAGIC, uint32(number), uint32(data.length), data]));
  const replies: OptionReply[] = [];
  while (replies.length < MAX_REPLIES) {
    const header = yield* take(20);
    if (header.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC) throw protocolError('wrong magic in an option reply');
    if (header.readUInt32BE(8) !== number) throw protocolError('a reply to an option that was not sent');
    const length = header.readUInt32BE(16);
    if (length > MAX_REPLY_BYTES) throw protocolError(`an option reply of ${length} bytes`);
    const type = header.readUInt32BE(12);
    replies.push({ type, data: yield* take(length) });
    if (type === OPTION_REPLY.ack || type >= OPTION_REPLY.errorBit) return replies;
  }
  throw protocolError('endless option replies');
}

function isRefused(replies: readonly OptionReply[]): boolean {
  return (replies.at(-1)?.type ?? 0) >= OPTION_REPLY.errorBit;
}

function exportInfo(replies: readonly OptionReply[]): Omit<NbdExport, 'structured' | 'contexts'> {
  const last = replies.at(-1);
  if (last !== undefined && isRefused(replies)) {
    const reason = last.data.toString('utf8', 0, 200) || `error ${last.type - OPTION_REPLY.errorBit}`;
    const what = last.type === OPTION_REPLY.unknownExport ? 'has no such export' : 'refuses the export';
    throw new UmbraError('IMAGE_FAILED', `the NBD server ${what}: ${reason}`);
  }
  const main = infoOf(replies, INFO.export, 12);
  if (main === undefined) throw protocolError('it does not say how large the export is');
  const size = main.readBigUInt64BE(2);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw protocolError(`an export of ${size} bytes`);
  const flags = main.readUInt16BE(10);
  return {
    sizeBytes: Number(size),
    readOnly: (flags & TRANSMISSION.readOnly) !== 0,
    canFlush: (flags & TRANSMISSION.sendFlush) !== 0,
    canWriteZeroes: (flags & TRANSMISSION.sendWriteZeroes) !== 0,
    ...blockSizes(replies),
  };
}

function blockSizes(replies: readonly OptionReply[]): Pick<NbdExport, 'minimumBytes' | 'maximumBytes'> {
  const sizes = infoOf(replies, INFO.blockSize, 14);
  if (sizes === undefined) return { minimumBytes: 1, maximumBytes: DEFAULT_MAXIMUM_BYTES };
  const minimumBytes = sizes.readUInt32BE(2);
  const maximumBytes = Math.min(sizes.readUInt32BE(10), DEFAULT_MAXIMUM_BYTES);
  const isPower = minimumBytes > 0 && (minimumBytes & (minimumBytes - 1)) === 0;
  if (!isPower || minimumBytes > 65_536 || maximumBytes < minimumBytes) throw protocolError('impossible block sizes');
  return { minimumBytes, maximumBytes };
}

/** The information of one kind; its data begin with the kind's number. */
function infoOf(replies: readonly OptionReply[], kind: number, length: number): Buffer | undefined {
  const found = replies.find(
    ({ type, data }) => type === OPTION_REPLY.info && data.length >= 2 && data.readUInt16BE(0) === kind,
  );
  if (found !== undefined && found.data.length !== length) throw protocolError('export information of a wrong length');
  return found?.data;
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

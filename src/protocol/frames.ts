import { Packr } from 'msgpackr';
import { UmbraError } from '../common/errors.js';

/**
 * Frames of a bulk stream: length of the header (u32, little-endian), length of the body (u32), the header as msgpack, the
 * body as it is. Bulk data stays out of msgpack: a hostile header can only take as much memory as its few bytes can name.
 */
export interface WireFrame {
  readonly header: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  /** The body is not needed any more, and its memory counts no longer. Idempotent. */
  readonly release?: () => void;
}

/** The content type of a bulk stream. */
export const FRAMES_TYPE = 'application/x-umbra-frames';

/** More than any header of ours: a region's ranges, the names of configuration files. */
const MAX_HEADER_BYTES = 64 * 1024;
/** A whole region, or all configuration files together. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;
const PREFIX_BYTES = 8;

const packr = new Packr({ useRecords: false, int64AsType: 'number', moreTypes: false });

/** A frame in two pieces: prefix with header, and the body, which is not copied. */
export function encodeFrame(header: object, body: Uint8Array = new Uint8Array()): readonly [Buffer, Uint8Array] {
  const packed = packr.pack(header);
  if (packed.length > MAX_HEADER_BYTES || body.length > MAX_BODY_BYTES) {
    throw new UmbraError('INTERNAL', `a frame of ${packed.length} and ${body.length} bytes is too large`);
  }
  const head = Buffer.allocUnsafe(PREFIX_BYTES + packed.length);
  head.writeUInt32LE(packed.length, 0);
  head.writeUInt32LE(body.length, 4);
  head.set(packed, PREFIX_BYTES);
  return [head, body];
}

/**
 * The frames of a stream. Nothing is read ahead of what is asked for but what the stream itself holds.
 * @param admit called with the size of each body before it is read; reading goes on when it resolves
 * @throws {UmbraError} BAD_ARGUMENT for what is no frame, SERVER_UNREACHABLE for one that is cut off; and what the stream throws
 */
export async function* readFrames(
  stream: AsyncIterable<Uint8Array>,
  admit: (bodyBytes: number) => Promise<void> = () => Promise.resolve(),
): AsyncGenerator<WireFrame, void> {
  const bytes = new ByteQueue(stream);
  for (;;) {
    const prefix = await bytes.take(PREFIX_BYTES);
    if (prefix === undefined) return;
    const headerBytes = prefix.readUInt32LE(0);
    const bodyBytes = prefix.readUInt32LE(4);
    if (headerBytes > MAX_HEADER_BYTES || bodyBytes > MAX_BODY_BYTES) {
      throw new UmbraError('BAD_ARGUMENT', `a frame says that it has ${headerBytes} and ${bodyBytes} bytes`);
    }
    const header = decodeHeader(await bytes.need(headerBytes));
    await admit(bodyBytes);
    yield { header, body: await bytes.need(bodyBytes) };
  }
}

function decodeHeader(bytes: Buffer): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', 'the header of a frame cannot be decoded', { cause });
  }
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    throw new UmbraError('BAD_ARGUMENT', 'the header of a frame is not a record');
  }
  return value as Readonly<Record<string, unknown>>;
}

/** Bytes of a stream, some at a time. */
class ByteQueue {
  readonly #stream: AsyncIterator<Uint8Array>;
  #pieces: Buffer[] = [];
  #length = 0;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#stream = stream[Symbol.asyncIterator]();
  }

  /** @returns undefined at the stream's end @throws {UmbraError} SERVER_UNREACHABLE when it ends within them */
  async take(count: number): Promise<Buffer | undefined> {
    while (this.#length < count) {
      const next = await this.#stream.next();
      if (next.done === true) {
        if (this.#length === 0) return undefined;
        throw cutOff();
      }
      const { buffer, byteOffset, byteLength } = next.value;
      this.#pieces.push(Buffer.from(buffer, byteOffset, byteLength));
      this.#length += byteLength;
    }
    return this.#shift(count);
  }

  async need(count: number): Promise<Buffer> {
    const bytes = count === 0 ? Buffer.alloc(0) : await this.take(count);
    if (bytes === undefined) throw cutOff();
    return bytes;
  }

  #shift(count: number): Buffer {
    const [first] = this.#pieces;
    const all = first !== undefined && first.length >= count ? first : Buffer.concat(this.#pieces);
    const rest = all.subarray(count);
    const kept = all === first ? this.#pieces.slice(1) : [];
    this.#pieces = rest.length > 0 ? [rest, ...kept] : kept;
    this.#length -= count;
    return all.subarray(0, count);
  }
}

function cutOff(): UmbraError {
  return new UmbraError('SERVER_UNREACHABLE', 'the stream ends in the midst of a frame');
}

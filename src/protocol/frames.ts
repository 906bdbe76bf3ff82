import { finished, type Readable } from 'node:stream';
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
/** A stream is held back when so much has come that nobody has asked for. */
const MOST_WAITING_BYTES = 64 * 1024;

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

/** Resolves to memory of exactly that size for a body, once it may be read. */
export type Admit = (bodyBytes: number) => Promise<Buffer>;

/**
 * The frames of a stream. Little is read ahead of what is asked for.
 * @param admit called with the size of each body before it is read
 * @throws {UmbraError} BAD_ARGUMENT for what is no frame, SERVER_UNREACHABLE for one that is cut off; and what the stream throws
 */
export async function* readFrames(stream: Readable, admit: Admit = newMemory): AsyncGenerator<WireFrame, void> {
  const bytes = new ByteQueue(stream);
  try {
    for (;;) {
      const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
      if (!(await bytes.fillOrEnd(prefix))) return;
      const headerBytes = prefix.readUInt32LE(0);
      const bodyBytes = prefix.readUInt32LE(4);
      if (headerBytes > MAX_HEADER_BYTES || bodyBytes > MAX_BODY_BYTES) {
        throw new UmbraError('BAD_ARGUMENT', `a frame says that it has ${headerBytes} and ${bodyBytes} bytes`);
      }
      const packed = Buffer.allocUnsafe(headerBytes);
      await bytes.fill(packed);
      const header = decodeHeader(packed);
      const body = await admit(bodyBytes);
      await bytes.fill(body);
      yield { header, body };
    }
  } finally {
    bytes.close();
  }
}

function newMemory(bytes: number): Promise<Buffer> {
  return Promise.resolve(Buffer.allocUnsafe(bytes));
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

/**
 * Bytes of a stream, some at a time, each copied once. Reading a stream by its iterator makes a promise for each piece, and
 * a new buffer of all pieces that wait: a fifth of what the server's main thread did for an agent's backup.
 */
class ByteQueue {
  readonly #stream: Readable;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #target: Buffer | undefined;
  #filled = 0;
  #end: { readonly error: Error | undefined } | undefined;
  #wake: () => void = nothing;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on('data', this.#take);
    // Its listeners stay: a stream that fails later must not end the process.
    finished(stream, { writable: false }, (error) => {
      this.#end ??= { error: error ?? undefined };
      this.#wake();
    });
  }

  /** @throws {UmbraError} SERVER_UNREACHABLE when the stream ends first; and what the stream throws */
  async fill(target: Buffer): Promise<void> {
    if (target.length > 0 && !(await this.fillOrEnd(target))) throw cutOff();
  }

  /** @returns false if the stream has ended before the first byte @throws as {@link fill} */
  async fillOrEnd(target: Buffer): Promise<boolean> {
    this.#target = target;
    this.#filled = 0;
    let used = 0;
    for (const piece of this.#waiting) {
      const rest = this.#copy(piece);
      this.#waitingBytes -= piece.length - rest.length;
      if (rest.length > 0) {
        this.#waiting[used] = rest;
        break;
      }
      used++;
    }
    this.#waiting.splice(0, used);
    while (this.#filled < target.length) {
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        if (this.#filled === 0) return false;
        throw cutOff();
      }
      this.#stream.resume();
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return true;
  }

  /** Nothing more is read. Idempotent. */
  close(): void {
    this.#stream.off('data', this.#take);
    this.#stream.pause();
  }

  readonly #take = (piece: Buffer): void => {
    const rest = this.#copy(piece);
    if (rest.length > 0) {
      this.#waiting.push(rest);
      this.#waitingBytes += rest.length;
      if (this.#waitingBytes >= MOST_WAITING_BYTES) this.#stream.pause();
    }
    if (this.#target === undefined) this.#wake();
  };

  /** Copy what there is room for. @returns the rest */
  #copy(piece: Buffer): Buffer {
    if (this.#target === undefined) return piece;
    const copied = piece.copy(this.#target, this.#filled);
    this.#filled += copied;
    if (this.#filled === this.#target.length) this.#target = undefined;
    return piece.subarray(copied);
  }
}

function nothing(): void {
  // Nobody waits.
}

function cutOff(): UmbraError {
  return new UmbraError('SERVER_UNREACHABLE', 'the stream ends in the midst of a frame');
}

import { decompressInto, type Compressor } from './compression.js';
import { digestOf, EMPTY_DIGEST, sameBytes } from './digest.js';
import { Codec, DIGEST_BYTES, FRAME, MAX_OBJECT_BYTES, ObjectType } from './formats.js';
import { xxh64 } from './xxhash.js';

const CHECKSUM_BYTES = 8;
const DIGEST_AT = 16;
const PLAIN_LENGTH_AT = 48;
const BODY_LENGTH_AT = 52;

/** What a frame says of itself, its checksum verified. */
export interface FrameHeader {
  readonly type: ObjectType;
  readonly codec: Codec;
  /** A view on the frame. */
  readonly digest: Uint8Array;
  readonly plainBytes: number;
}

/** What an object is called. */
export interface ObjectName {
  readonly type: ObjectType;
  readonly digest: Uint8Array;
}

/** Why a frame can't be used, in words; the caller names the object. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** The most bytes that {@link encodeFrameInto} needs for an object of `plainBytes`. */
export function frameBound(compressor: Compressor, plainBytes: number): number {
  return FRAME.headerBytes + Math.max(plainBytes, compressor.bound(plainBytes));
}

/**
 * Write the frame of an object to `target` from `offset`; an object that does not shrink, or whose compressed form has
 * no room in `target`, is stored as it is. `target` must have room for that.
 * @returns the frame's length in bytes
 */
export function encodeFrameInto(
  target: Buffer,
  offset: number,
  object: { readonly type: ObjectType; readonly digest: Uint8Array; readonly plain: Uint8Array },
  compressor: Compressor,
): number {
  const { plain } = object;
  const bodyAt = offset + FRAME.headerBytes;
  let codec: Codec = compressor.codec;
  let bodyBytes = compressor.compressInto(target.subarray(bodyAt), plain);
  if (bodyBytes === 0 || bodyBytes >= plain.length) {
    codec = Codec.none;
    bodyBytes = plain.length;
    target.set(plain, bodyAt);
  }
  target.writeUInt32LE(FRAME.magic, offset + CHECKSUM_BYTES);
  target[offset + 12] = FRAME.version;
  target[offset + 13] = object.type;
  target[offset + 14] = codec;
  target[offset + 15] = 0;
  target.set(object.digest, offset + DIGEST_AT);
  target.writeUInt32LE(plain.length, offset + PLAIN_LENGTH_AT);
  target.writeUInt32LE(bodyBytes, offset + BODY_LENGTH_AT);
  const end = bodyAt + bodyBytes;
  target.writeBigUInt64LE(xxh64(target.subarray(offset + CHECKSUM_BYTES, end)), offset);
  return end - offset;
}

/** The frame of one object in a buffer of its own. */
export function encodeFrame(
  type: ObjectType,
  plain: Uint8Array,
  compressor: Compressor,
  digest = digestOf(plain),
): Buffer {
  const target = Buffer.allocUnsafe(frameBound(compressor, plain.length));
  const length = encodeFrameInto(target, 0, { type, digest, plain }, compressor);
  return Buffer.from(target.subarray(0, length));
}

/**
 * Check a frame and read its header.
 * @throws {FrameError}
 */
export function readFrameHeader(frame: Uint8Array): FrameHeader {
  const bytes = asBuffer(frame);
  if (bytes.length < FRAME.headerBytes) throw new FrameError('the record is too short');
  if (xxh64(bytes.subarray(CHECKSUM_BYTES)) !== bytes.readBigUInt64LE(0)) throw new FrameError('the checksum is wrong');
  if (bytes.readUInt32LE(CHECKSUM_BYTES) !== FRAME.magic) throw new FrameError('the magic number is wrong');
  if (bytes[12] !== FRAME.version) throw new FrameError(`frame version ${bytes[12] ?? '?'} is not known`);
  const type = knownValue(ObjectType, bytes[13], 'object type');
  const codec = knownValue(Codec, bytes[14], 'codec');
  const plainBytes = bytes.readUInt32LE(PLAIN_LENGTH_AT);
  if (plainBytes > MAX_OBJECT_BYTES) throw new FrameError(`a length of ${plainBytes} bytes is not possible`);
  if (bytes.readUInt32LE(BODY_LENGTH_AT) !== bytes.length - FRAME.headerBytes)
    throw new FrameError('the length is wrong');
  return { type, codec, digest: bytes.subarray(DIGEST_AT, DIGEST_AT + DIGEST_BYTES), plainBytes };
}

/**
 * The plain bytes of a frame: checksum, type, digest of the name, decompression and digest of the content
 * are all checked, so that what comes back is what was put in.
 * @throws {FrameError}
 */
export function decodeFrame(frame: Uint8Array, expected: ObjectName): Buffer {
  return decodeBody(frame, expectedHeader(frame, expected));
}

/**
 * As {@link decodeFrame}, into `target`, which must be long enough.
 * @returns the number of plain bytes
 * @throws {FrameError}
 */
export function decodeFrameInto(target: Buffer, frame: Uint8Array, expected: ObjectName): number {
  const header = expectedHeader(frame, expected);
  if (header.plainBytes > target.length) throw new FrameError(`it has ${header.plainBytes} bytes, more than its place`);
  decodeBodyInto(target.subarray(0, header.plainBytes), frame, header);
  return header.plainBytes;
}

/**
 * Decompress the body that `header` describes and check its digest.
 * @throws {FrameError}
 */
export function decodeBody(frame: Uint8Array, header: FrameHeader): Buffer {
  const plain = Buffer.allocUnsafeSlow(header.plainBytes);
  decodeBodyInto(plain, frame, header);
  return plain;
}

/** What a frame that may be damaged says it is; a chunk without a name if it says nothing that can be. */
export function claimedName(frame: Uint8Array): ObjectName {
  const type = Object.values(ObjectType).find((known) => known === frame[13]) ?? ObjectType.chunk;
  const digest = frame.subarray(DIGEST_AT, DIGEST_AT + DIGEST_BYTES);
  return { type, digest: digest.length === DIGEST_BYTES ? digest : EMPTY_DIGEST };
}

function decodeBodyInto(plain: Buffer, frame: Uint8Array, header: FrameHeader): void {
  if (!decompressInto(header.codec, plain, frame.subarray(FRAME.headerBytes)))
    throw new FrameError('decompression fails');
  if (!sameBytes(digestOf(plain), header.digest)) throw new FrameError('the digest is wrong');
}

function expectedHeader(frame: Uint8Array, expected: ObjectName): FrameHeader {
  const header = readFrameHeader(frame);
  if (header.type === expected.type && sameBytes(header.digest, expected.digest)) return header;
  throw new FrameError('another object stands in its place');
}

function knownValue<T extends number>(values: Readonly<Record<string, T>>, value: number | undefined, what: string): T {
  const known = Object.values(values).find((candidate) => candidate === value);
  if (known === undefined) throw new FrameError(`${what} ${value ?? '?'} is not known`);
  return known;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

import { randomFillSync } from 'node:crypto';

import { CIPHERS, keyedHash, NONCE_BYTES, openAead, sealAead, TAG_BYTES, type CipherName } from './aead.js';
import { CipherNumber, FRAME, MAX_OBJECT_BYTES, SEALED_FRAME, type ObjectType } from './formats.js';
import { FrameError } from './frame.js';
import { paddedLength } from './padding.js';
import { xxh64 } from './xxhash.js';

/** What sealing the frames of a store takes; worker threads get it too. */
export interface FrameKeys {
  /** New frames are sealed with this one; each frame says which one it has. */
  readonly cipher: CipherName;
  /** 32 bytes, for content. */
  readonly data: Uint8Array;
  /** 32 bytes, for names. */
  readonly names: Uint8Array;
}

const { headerBytes, nameAt, saltAt, saltBytes } = SEALED_FRAME;
const CHECKSUM_BYTES = 8;
const VERSION_AT = 12;
const CIPHER_AT = 14;
/** Each frame has a key of its own, so that there is nothing that a nonce would have to tell apart. */
const NONCE = Buffer.alloc(NONCE_BYTES);
/** Where a plain frame has its body's length. */
const BODY_LENGTH_AT = 52;
const MAX_FRAME_BYTES = headerBytes + paddedLength(FRAME.headerBytes + MAX_OBJECT_BYTES) + TAG_BYTES;

/**
 * Seals frames, and opens them.
 *
 * The key of a frame is HMAC-SHA-256(data key, header from version to salt): so it depends on 24 random bytes *and* on the object's
 * type and keyed name, which says what its content is. Two frames have the same key only if they have the same salt, 2^96 frames from
 * now, and the same content: whatever copy of a store, of a disk or of a process's memory goes on by itself, no key meets two contents.
 * The associated data are everything from the magic number to the salt.
 */
export class FrameSeal {
  readonly #keys: FrameKeys;

  constructor(keys: FrameKeys) {
    this.#keys = keys;
  }

  /** The most bytes of the sealed form of a frame of `frameBytes`. */
  static bound(frameBytes: number): number {
    return headerBytes + paddedLength(frameBytes) + TAG_BYTES;
  }

  /** What an object is called where everybody may read it: 32 bytes, HMAC-SHA-256(name key, type, digest). */
  nameOf(type: number, digest: Uint8Array): Buffer {
    return keyedHash(this.#keys.names, Buffer.of(type), digest);
  }

  /** The sealed form of a frame, as it is stored. */
  seal(frame: Uint8Array, type: ObjectType, digest: Uint8Array): Buffer {
    const { cipher } = this.#keys;
    const padded = paddedLength(frame.length);
    const sealed = Buffer.allocUnsafeSlow(headerBytes + padded + TAG_BYTES);
    sealed.writeUInt32LE(FRAME.magic, CHECKSUM_BYTES);
    sealed[VERSION_AT] = SEALED_FRAME.version;
    sealed[13] = type;
    sealed[CIPHER_AT] = CipherNumber[cipher];
    sealed[15] = 0;
    sealed.set(this.nameOf(type, digest), nameAt);
    fillSalt(sealed.subarray(saltAt, saltAt + saltBytes));
    const plain = Buffer.alloc(padded);
    plain.set(frame);
    const { text, tag } = sealAead(this.#input(sealed, cipher), plain);
    sealed.set(text, headerBytes);
    sealed.set(tag, headerBytes + padded);
    sealed.writeBigUInt64LE(xxh64(sealed.subarray(CHECKSUM_BYTES)), 0);
    return sealed;
  }

  /**
   * The frame that was sealed, still to be decoded.
   * @throws {FrameError} for what is damaged, was changed, is of another store, or was never sealed
   */
  open(sealed: Uint8Array): Buffer {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    const cipher = readHeader(bytes);
    const text = bytes.subarray(headerBytes, bytes.length - TAG_BYTES);
    const padded = openAead(this.#input(bytes, cipher), text, bytes.subarray(bytes.length - TAG_BYTES));
    if (padded === undefined) throw new FrameError('its seal is broken: it was changed, or is of another store');
    const length = FRAME.headerBytes + padded.readUInt32LE(BODY_LENGTH_AT);
    if (length > padded.length) throw new FrameError('the length is wrong');
    return padded.subarray(0, length);
  }

  #input(sealed: Buffer, cipher: CipherName): Parameters<typeof sealAead>[0] {
    return {
      cipher,
      key: keyedHash(this.#keys.data, sealed.subarray(VERSION_AT, headerBytes)),
      nonce: NONCE,
      associated: sealed.subarray(CHECKSUM_BYTES, headerBytes),
    };
  }
}

/** The frame in what a store has: `stored` itself, where nothing is sealed. @throws {FrameError} */
export function openStored(stored: Uint8Array, seal: FrameSeal | undefined): Uint8Array {
  return seal === undefined ? stored : seal.open(stored);
}

function readHeader(bytes: Buffer): CipherName {
  if (bytes.length < headerBytes + FRAME.headerBytes + TAG_BYTES) throw new FrameError('the record is too short');
  if (bytes.length > MAX_FRAME_BYTES) throw new FrameError('the record is too long');
  if (xxh64(bytes.subarray(CHECKSUM_BYTES)) !== bytes.readBigUInt64LE(0)) throw new FrameError('the checksum is wrong');
  if (bytes.readUInt32LE(CHECKSUM_BYTES) !== FRAME.magic) throw new FrameError('the magic number is wrong');
  const version = bytes[VERSION_AT];
  // Whoever can write to the disk could else put a record of his own into the store.
  if (version === FRAME.version) throw new FrameError('it is not encrypted, and the store is');
  if (version !== SEALED_FRAME.version) throw new FrameError(`frame version ${version ?? '?'} is not known`);
  const cipher = CIPHERS.find((name) => CipherNumber[name] === bytes[CIPHER_AT]);
  if (cipher === undefined) throw new FrameError(`cipher ${bytes[CIPHER_AT] ?? '?'} is not known`);
  return cipher;
}

/** Random bytes come by the thousand: asking for 24 takes nearly as long as for them all. */
const POOL_BYTES = 24 * 170;
const pool = Buffer.alloc(POOL_BYTES);
let poolUsed = POOL_BYTES;

function fillSalt(target: Buffer): void {
  if (poolUsed + target.length > POOL_BYTES) {
    randomFillSync(pool);
    poolUsed = 0;
  }
  pool.copy(target, 0, poolUsed, poolUsed + target.length);
  // What was used is not kept: a salt is used once.
  pool.fill(0, poolUsed, poolUsed + target.length);
  poolUsed += target.length;
}

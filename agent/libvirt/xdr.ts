import { protocolError } from './libvirt-error.js';

/*
 * XDR (RFC 4506) as libvirt uses it: units of 4 bytes, big-endian; strings and lists begin with their length; what may be
 * absent begins with 0 or 1.
 */

/** The longest string that a message may hold, as in libvirt's virnetprotocol.x (VIR_NET_MESSAGE_STRING_MAX). */
export const MAX_STRING_BYTES = 4 * 1024 * 1024;

/** Puts the arguments of a call together. */
export class XdrWriter {
  readonly #parts: Uint8Array[] = [];

  uint(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    this.#parts.push(bytes);
    return this;
  }

  int(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    this.#parts.push(bytes);
    return this;
  }

  /** A 64-bit number. */
  hyper(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(BigInt(value));
    this.#parts.push(bytes);
    return this;
  }

  /** Bytes of a length that both sides know. */
  opaque(bytes: Uint8Array): this {
    this.#parts.push(bytes, Buffer.alloc(padding(bytes.length)));
    return this;
  }

  string(text: string): this {
    const bytes = Buffer.from(text);
    return this.uint(bytes.length).opaque(bytes);
  }

  optionalString(text: string | undefined): this {
    return text === undefined ? this.uint(0) : this.uint(1).string(text);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/**
 * Takes an answer apart. Everything is checked against the bytes that are there.
 * @throws {UmbraError} HYPERVISOR_FAILED from every method, when the message is shorter than it says
 */
export class XdrReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  uint(): number {
    return this.#take(4).readUInt32BE();
  }

  int(): number {
    return this.#take(4).readInt32BE();
  }

  /** A 64-bit number that must be exact as a JavaScript number. */
  hyper(): number {
    const value = this.#take(8).readBigUInt64BE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw protocolError(`a number of ${value}`);
    return Number(value);
  }

  opaque(length: number): Buffer {
    const bytes = this.#take(length);
    this.#take(padding(length));
    return bytes;
  }

  string(): string {
    const length = this.uint();
    if (length > MAX_STRING_BYTES) throw protocolError(`a string of ${length} bytes`);
    return this.opaque(length).toString('utf8');
  }

  optionalString(): string | undefined {
    return this.optional(() => this.string());
  }

  optional<T>(read: () => T): T | undefined {
    return this.uint() === 0 ? undefined : read();
  }

  /** @param max - more items than that are refused */
  list<T>(max: number, read: () => T): T[] {
    const length = this.uint();
    if (length > max) throw protocolError(`a list of ${length} entries`);
    const items: T[] = [];
    while (items.length < length) items.push(read());
    return items;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw protocolError('a message that ends too early');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }
}

function padding(length: number): number {
  return (4 - (length % 4)) % 4;
}

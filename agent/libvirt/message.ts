import { protocolError } from './libvirt-error.js';
import { HEADER_BYTES, MAX_MESSAGE_BYTES, PROGRAM_VERSION } from './protocol.js';

/** One message of libvirt's RPC. */
export interface Message {
  readonly program: number;
  readonly procedure: number;
  /** See MESSAGE. */
  readonly type: number;
  /** The call's number, the same in its reply; 0 in events. */
  readonly serial: number;
  /** See STATUS. */
  readonly status: number;
  readonly body: Buffer;
}

export function encodeMessage({ program, procedure, type, serial, status, body }: Message): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const words = [HEADER_BYTES + body.length, program, PROGRAM_VERSION, procedure, type, serial, status];
  for (const [index, word] of words.entries()) header.writeUInt32BE(word, index * 4);
  return Buffer.concat([header, body]);
}

/** Makes messages of what comes out of a socket. It holds one message at most. */
export class MessageReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  /**
   * @param chunk - what has come; kept until its messages are complete
   * @throws {UmbraError} HYPERVISOR_FAILED for a length that no message has
   */
  *push(chunk: Buffer): Generator<Message> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    for (;;) {
      const length = this.#length();
      if (length === undefined || length > this.#bytes) return;
      yield decode(this.#take(length));
    }
  }

  /** Of the message that begins here; undefined while less than that is there. */
  #length(): number | undefined {
    if (this.#bytes < 4) return undefined;
    if ((this.#chunks[0]?.length ?? 0) < 4) this.#join();
    const length = this.#chunks[0]?.readUInt32BE() ?? 0;
    if (length < HEADER_BYTES || length > MAX_MESSAGE_BYTES) throw protocolError(`a message of ${length} bytes`);
    return length;
  }

  #take(length: number): Buffer {
    const all = this.#join();
    this.#chunks = length < all.length ? [all.subarray(length)] : [];
    this.#bytes -= length;
    return all.subarray(0, length);
  }

  /** Once for each message: joining at every chunk would copy a long one again and again. */
  #join(): Buffer {
    const [first = Buffer.alloc(0), ...others] = this.#chunks;
    if (others.length === 0) return first;
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

function decode(bytes: Buffer): Message {
  return {
    program: bytes.readUInt32BE(4),
    procedure: bytes.readUInt32BE(12),
    type: bytes.readUInt32BE(16),
    serial: bytes.readUInt32BE(20),
    status: bytes.readUInt32BE(24),
    body: bytes.subarray(HEADER_BYTES),
  };
}

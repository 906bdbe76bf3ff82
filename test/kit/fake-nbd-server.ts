import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { temporaryDirectory } from './temporary.js';

/** A request as the client sent it. */
export interface FakeRequest {
  readonly type: number;
  readonly cookie: Buffer;
  readonly offset: bigint;
  readonly length: number;
}

export interface FakeNbdBehaviour {
  readonly sizeBytes?: bigint;
  /** Undefined: a good greeting. */
  readonly greeting?: Buffer;
  /** What to answer to an option; undefined: what a good server answers. */
  option?(number: number): Buffer | undefined;
  /** What comes of a handshake that the client aborts; undefined: the connection ends. */
  aborted?(socket: Socket): void;
  /** Answer a request in any way. */
  request?(request: FakeRequest, socket: Socket): void;
}

const GREETING = Buffer.from('NBDMAGICIHAVEOPT\0\x03', 'latin1');

/** An NBD server that does what a test wants of it, wrong things mostly. @returns its socket's path */
export async function fakeNbdServer(t: Test, behaviour: FakeNbdBehaviour): Promise<string> {
  const path = join(temporaryDirectory(t), 'nbd');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.write(behaviour.greeting ?? GREETING);
    serveClient(socket, behaviour);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return path;
}

/** The 20 bytes before each option reply, and its data. */
export function optionReply(
  option: number,
  type: number,
  data: Buffer = Buffer.alloc(0),
  magic = 0x0003_e889_0455_65a9n,
): Buffer {
  const header = Buffer.alloc(20);
  header.writeBigUInt64BE(magic, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}

/** A structured reply chunk. @param flags - 1: the last one */
export function replyChunk(
  request: FakeRequest,
  flags: number,
  type: number,
  data: Buffer,
  claimed = data.length,
): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt32BE(0x668e_33ef, 0);
  header.writeUInt16BE(flags, 4);
  header.writeUInt16BE(type, 6);
  request.cookie.copy(header, 8);
  header.writeUInt32BE(claimed, 16);
  return Buffer.concat([header, data]);
}

/** Big-endian numbers, each with its width in bytes. */
export function packed(...fields: readonly (readonly [width: 2 | 4 | 8, value: number | bigint])[]): Buffer {
  return Buffer.concat(
    fields.map(([width, value]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(BigInt(value));
      return bytes.subarray(8 - width);
    }),
  );
}

function serveClient(socket: Socket, behaviour: FakeNbdBehaviour): void {
  let input: Buffer = Buffer.alloc(0);
  let phase: 'flags' | 'options' | 'requests' = 'flags';
  socket.on('data', (data) => {
    input = Buffer.concat([input, data]);
    for (;;) {
      const length = messageLength(phase, input);
      if (input.length < length) return;
      const message = input.subarray(0, length);
      input = input.subarray(length);
      if (phase === 'flags') phase = 'options';
      else if (phase === 'options') {
        const number = message.readUInt32BE(8);
        socket.write(behaviour.option?.(number) ?? goodReply(number, behaviour.sizeBytes ?? 1_048_576n));
        if (number === 7) phase = 'requests';
        if (number === 2) abort(socket, behaviour);
      } else behaviour.request?.(parseRequest(message), socket);
    }
  });
}

function abort(socket: Socket, behaviour: FakeNbdBehaviour): void {
  if (behaviour.aborted === undefined) socket.end();
  else behaviour.aborted(socket);
}

function messageLength(phase: string, input: Buffer): number {
  if (phase === 'flags') return 4;
  if (phase === 'requests') return 28;
  return input.length < 16 ? 16 : 16 + input.readUInt32BE(12);
}

function goodReply(number: number, sizeBytes: bigint): Buffer {
  const ack = optionReply(number, 1);
  if (number === 10) return Buffer.concat([optionReply(10, 4, Buffer.from('\0\0\0\x09base:allocation')), ack]);
  // Flags: has flags, flush, write zeroes.
  if (number === 7) return Buffer.concat([optionReply(7, 3, packed([2, 0], [8, sizeBytes], [2, 0x45])), ack]);
  return ack;
}

function parseRequest(message: Buffer): FakeRequest {
  return {
    type: message.readUInt16BE(6),
    cookie: Buffer.from(message.subarray(8, 16)),
    offset: message.readBigUInt64BE(16),
    length: message.readUInt32BE(24),
  };
}

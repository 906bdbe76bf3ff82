import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { encodeMessage, MessageReader, type Message } from '../../agent/libvirt/message.js';
import { MESSAGE, PROGRAM, REMOTE, STATUS } from '../../agent/libvirt/protocol.js';
import { XdrWriter } from '../../agent/libvirt/xdr.js';
import { temporaryDirectory } from './temporary.js';

/** How to authenticate: not at all. */
const AUTH_NONE = new XdrWriter().uint(1).uint(0).bytes();

/** A reply to a call. @param status - STATUS.ok when absent */
export function libvirtReply(call: Message, body: Uint8Array, status: number = STATUS.ok): Buffer {
  return encodeMessage({ ...call, type: MESSAGE.reply, status, body: Buffer.from(body) });
}

/** The body of an answer that says no. */
export function libvirtErrorBody(number: number, message: string): Buffer {
  return new XdrWriter().int(number).int(10).optionalString(message).int(2).bytes();
}

/**
 * A libvirt that does what a test wants of it, wrong things mostly. @returns its socket's path
 * @param answer - returns true when it has dealt with the call; else a good libvirt's answer to opening is given
 */
export async function fakeLibvirt(t: Test, answer: (call: Message, socket: Socket) => boolean): Promise<string> {
  const path = join(temporaryDirectory(t), 'libvirt');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const reader = new MessageReader();
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const call of reader.push(chunk)) {
        if (answer(call, socket)) continue;
        const isAuthList = call.program === PROGRAM.remote && call.procedure === REMOTE.authList;
        socket.write(libvirtReply(call, isAuthList ? AUTH_NONE : Buffer.alloc(0)));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return path;
}

import { join } from 'node:path';
import type { Test } from 'tap';
import { encodeMessage, MessageReader, type Message } from '../../agent/libvirt/message.js';
import { PROGRAM } from '../../agent/libvirt/protocol.js';
import type { LibvirtMachine } from './libvirt-machine.js';
import { socketProxy } from './socket-proxy.js';
import { temporaryDirectory } from './temporary.js';

/**
 * A socket that leads to libvirt.
 * @param toLibvirt - passes on what the agent says, or doesn't
 * @param toAgent - passes on what libvirt says; absent: all of it
 * @returns its path
 */
export async function proxyTo(
  t: Test,
  machine: LibvirtMachine,
  toLibvirt: (call: Message, pass: () => void, end: () => void) => void,
  toAgent: (answer: Message, pass: () => void) => void = (_, pass) => {
    pass();
  },
): Promise<string> {
  const path = join(temporaryDirectory(t), 'proxy');
  await socketProxy(t, { path, target: machine.daemon.socketPath }, (client, behind, end) => {
    const [calls, answers] = [new MessageReader(), new MessageReader()];
    client.on('data', (chunk: Buffer) => {
      for (const call of calls.push(chunk)) toLibvirt(call, () => behind.write(encodeMessage(call)), end);
    });
    behind.on('data', (chunk: Buffer) => {
      for (const answer of answers.push(chunk)) toAgent(answer, () => client.write(encodeMessage(answer)));
    });
  });
  return path;
}

/** @param wanted - of REMOTE */
export function isCall({ program, procedure }: Message, wanted: number): boolean {
  return program === PROGRAM.remote && procedure === wanted;
}

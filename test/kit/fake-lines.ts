import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { temporaryDirectory } from './temporary.js';
import type { Teardown } from './umbra-program.js';

export interface FakeLines {
  /** Called for each connection. */
  readonly connected?: (socket: Socket) => void;
  /** Called for each line that came. */
  readonly line?: (line: string, socket: Socket) => void;
}

/** A Unix socket that talks in lines and says what a test wants. @returns its path */
export async function fakeLines(t: Teardown, { connected, line }: FakeLines): Promise<string> {
  const path = join(temporaryDirectory(t), 'socket');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    connected?.(socket);
    let held = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (held + text).split('\n');
      held = lines.pop() ?? '';
      for (const one of lines) line?.(one, socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return path;
}

/** What a guest agent does with a command; undefined: it does not answer. */
export type FakeAgentAnswers = (command: string, socket: Socket) => unknown;

export interface FakeGuestAgent {
  readonly path: string;
  /** What it was asked. */
  readonly commands: string[];
  /** Resolves when nobody is connected. */
  noClient(): Promise<void>;
}

/** A guest agent that syncs well and runs no programs, and otherwise does what a test wants. */
export async function fakeGuestAgent(t: Teardown, answer: FakeAgentAnswers): Promise<FakeGuestAgent> {
  const commands: string[] = [];
  const clients = new Set<Socket>();
  const path = await fakeLines(t, {
    connected(socket) {
      clients.add(socket);
      socket.on('close', () => clients.delete(socket));
    },
    line(line, socket) {
      const { execute, arguments: args } = JSON.parse(line) as { execute: string; arguments?: { id: number } };
      if (execute === 'guest-sync') {
        socket.write(`${JSON.stringify({ return: args?.id })}\n`);
        return;
      }
      if (execute === 'guest-exec') {
        socket.write('{"error": {"class": "CommandNotFound", "desc": "it is disabled"}}\n');
        return;
      }
      commands.push(execute);
      const value = answer(execute, socket);
      if (value !== undefined) socket.write(`${JSON.stringify(value)}\n`);
    },
  });
  const noClient = async (): Promise<void> => {
    while (clients.size > 0) await setTimeout(1);
  };
  return { path, commands, noClient };
}

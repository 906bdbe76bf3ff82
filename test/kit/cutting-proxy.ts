import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { temporaryDirectory } from './temporary.js';

/**
 * A socket that leads to another one, on which everybody talks in lines. The first connection is cut when the client has sent
 * `lines` of them, the last one included; others are left alone.
 * @returns its path, and how many lines came on the first connection
 */
export async function cuttingProxy(
  t: Test,
  target: string,
  lines: number,
): Promise<{ readonly path: string; readonly sent: () => number }> {
  const path = join(temporaryDirectory(t), 'proxy');
  let sent = 0;
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const isFirst = connections++ === 0;
    const behind = connect({ path: target });
    const end = (): void => {
      client.destroy();
      behind.destroy();
    };
    for (const socket of [client, behind]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    behind.pipe(client);
    client.on('data', (data) => {
      for (const line of data.toString('utf8').split('\n').slice(0, -1)) {
        if (isFirst) sent += 1;
        behind.write(`${line}\n`);
        if (!isFirst || sent < lines) continue;
        behind.end();
        client.destroy();
        return;
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { path, sent: () => sent };
}

import { renameSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

let moved = 0;

/**
 * Takes the place of a socket on which everybody talks in lines, and leads to it. The next connection is cut when the client has sent
 * `lines` of them, the last one included; others are left alone.
 * @returns how many lines came on that connection
 */
export async function cuttingProxy(t: Test, path: string, lines: number): Promise<{ readonly sent: () => number }> {
  const target = `${path}.${(moved += 1)}`;
  renameSync(path, target);
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
  return { sent: () => sent };
}

import { connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

/**
 * Listens at `path` for connections that lead to `target`; what passes between the two is for `join` to say. If one of them ends, so does
 * the other; all end with the test.
 */
export async function socketProxy(
  t: Test,
  { path, target }: { readonly path: string; readonly target: string },
  join: (client: Socket, behind: Socket, end: () => void) => void,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const behind = connect(target);
    const end = (): void => {
      client.destroy();
      behind.destroy();
    };
    for (const socket of [client, behind]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    join(client, behind, end);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
}

import { renameSync } from 'node:fs';
import type { Test } from 'tap';
import { socketProxy } from './socket-proxy.js';

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
  await socketProxy(t, { path, target }, (client, behind) => {
    const isFirst = connections++ === 0;
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
  return { sent: () => sent };
}

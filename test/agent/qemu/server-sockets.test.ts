import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { serverSockets } from '../../../agent/qemu/server-sockets.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('a server whose name is deleted, and who is connected to it', async (t) => {
  const path = join(temporaryDirectory(t), 'a socket');
  const { pid } = process;
  t.same(await serverSockets(pid, path), { listens: false, connections: 0 });
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket.resume()));
  await once(server.listen(path), 'listening');
  t.same(await serverSockets(pid, path), { listens: true, connections: 0 });
  t.same(await serverSockets(pid, path.slice(1)), { listens: false, connections: 0 });
  const client = connect(path);
  await once(client, 'connect');
  rmSync(path);
  t.same(await serverSockets(pid, path), { listens: true, connections: 1 });
  t.same(await serverSockets(process.ppid, path), { listens: false, connections: 1 }, 'somebody else listens');
  client.destroy();
  while ((await serverSockets(pid, path)).connections > 0) await setTimeout(5);
  t.equal(accepted.length, 1);
  await once(server.close(), 'close');
  t.same(await serverSockets(pid, path), { listens: false, connections: 0 });
});

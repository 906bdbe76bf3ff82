import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { send } from '../../../src/client/send.js';
import { socketAddress, socketPath } from '../../../src/protocol/socket-path.js';
import { listenOnStore } from '../../../src/server/listen.js';
import { temporaryDirectory } from '../../kit/temporary.js';

void t.test('a path that fits is used as it is', async (t) => {
  const store = `/${'s'.repeat(107 - '//server.sock'.length)}`;
  const address = socketAddress(store);
  t.equal(address.path, join(store, 'server.sock'));
  t.equal(Buffer.byteLength(address.path), 107);
  address.release();
});

void t.test('a path that does not fit leads to the same socket', async (t) => {
  const store = join(temporaryDirectory(t), 'ü'.repeat(100), 'x'.repeat(200));
  mkdirSync(store, { recursive: true });
  const server = createServer((_request, response) => response.end('{}'));
  await listenOnStore(server, store);
  t.same(readdirSync(store), ['server.sock']);
  const response = await send(store, { method: 'GET', path: '/' });
  t.equal(response.statusCode, 200);
  response.resume();
  await new Promise((resolve) => server.close(resolve));
  t.notOk(existsSync(socketPath(store)), 'gone with its server');
});

void t.test('releasing twice closes nothing else', async (t) => {
  const store = join(temporaryDirectory(t), 'x'.repeat(200));
  mkdirSync(store);
  const address = socketAddress(store);
  address.release();
  const other = socketAddress(store);
  address.release();
  t.ok(existsSync(other.path.replace('/server.sock', '')));
  other.release();
});

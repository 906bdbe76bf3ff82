import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { KvStore } from '../../../src/store/kv.js';
import { openLevelKv } from '../../../src/store/level-kv.js';
import { keepFreedMemory } from '../../../src/system/malloc.js';
import { BATCH_BYTES, putsOf, VALUE_BYTES, type BareFigures } from './bare-level.js';

/** As large as the bodies of frames. */
const PIECE_BYTES = 4 * 1024 * 1024;
/** As many as the store lets wait. */
const MOST_BATCHES = 3;

/**
 * How long it takes to bring so many bytes over TLS from one process of Node.js into LevelDB in another, until they are durable, with nothing
 * else done to them: not read from anywhere, named, or cut. As in the server, one thread receives them and hands them to LevelDB: what so works can't take less.
 * @param pem - the file of a key and its certificate
 */
export async function bareWire(pem: string, directory: string, bytes: number): Promise<BareFigures> {
  // As the server does.
  keepFreedMemory();
  const key = readFileSync(pem);
  const kv = await openLevelKv(directory, { profile: 'bulk', createIfMissing: true, errorIfExists: true });
  const server = createServer({ key, cert: key, minVersion: 'TLSv1.3' });
  try {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const args = [import.meta.filename, String(port), String(bytes)];
    const sender = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [socket] = (await once(server, 'secureConnection')) as [TLSSocket];
    const cpu = process.cpuUsage();
    const start = performance.now();
    await take(socket, kv, bytes);
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    socket.end();
    const [said] = (await once(sender.stdout, 'data')) as [Buffer];
    return { seconds, processSeconds: (user + system) / 1e6 + Number(said) };
  } finally {
    server.close();
    await kv.close();
    rmSync(directory, { recursive: true });
  }
}

/** Put into LevelDB what comes, by batches. Resolves when it is durable. */
async function take(socket: TLSSocket, kv: KvStore, bytes: number): Promise<void> {
  // Batches of pieces as they come, of 16 KiB, take longer: their memory is new each time.
  const free: Buffer[] = Array.from({ length: MOST_BATCHES }, () => Buffer.alloc(BATCH_BYTES));
  let batch = free.pop() ?? Buffer.alloc(BATCH_BYTES);
  let [filled, left, sequence, waiting] = [0, bytes, 0, 0];
  await new Promise<void>((resolve, reject) => {
    const write = (full: Buffer, length: number): void => {
      if (++waiting >= MOST_BATCHES) socket.pause();
      kv.write(putsOf(full.subarray(0, length), sequence), { sync: false }).then(() => {
        waiting--;
        free.push(full);
        socket.resume();
        if (waiting === 0 && left === 0) resolve();
      }, reject);
      sequence += Math.ceil(length / VALUE_BYTES);
    };
    socket.on('error', reject).on('data', (piece: Buffer) => {
      for (let rest = piece; rest.length > 0;) {
        const copied = rest.copy(batch, filled);
        rest = rest.subarray(copied);
        filled += copied;
        left -= copied;
        if (filled < BATCH_BYTES && left > 0) continue;
        write(batch, filled);
        [batch, filled] = [free.pop() ?? Buffer.alloc(BATCH_BYTES), 0];
      }
    });
  });
  await kv.flush();
}

/** Send so many bytes, and say what it took of the processor. */
async function send(port: number, bytes: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
  await once(socket, 'secureConnect');
  const piece = Buffer.alloc(PIECE_BYTES, 7);
  const before = process.cpuUsage();
  for (let sent = 0; sent < bytes; sent += PIECE_BYTES) {
    const part = piece.subarray(0, Math.min(PIECE_BYTES, bytes - sent));
    if (!socket.write(part)) await once(socket, 'drain');
  }
  await once(socket.resume(), 'end');
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(String((user + system) / 1e6));
  socket.end();
}

const [, program, port, bytes] = process.argv;
if (program === import.meta.filename) await send(Number(port), Number(bytes));

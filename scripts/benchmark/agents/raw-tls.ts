import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { BenchError } from '../bench-error.js';

/** As large as the bodies of frames. */
const PIECE_BYTES = 4 * 1024 * 1024;

/**
 * How many bytes a second go over one TLS connection from a process of Node.js to another, with nothing done to them.
 * @param pem - the file of a key and its certificate
 */
export async function rawTlsRate(pem: string, bytes: number): Promise<number> {
  const server = spawn(process.execPath, [import.meta.filename, pem], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [port] = (await once(server.stdout, 'data')) as [Buffer];
    const socket = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false, minVersion: 'TLSv1.3' });
    await once(socket, 'secureConnect');
    const piece = Buffer.alloc(PIECE_BYTES, 7);
    const start = performance.now();
    for (let sent = 0; sent < bytes; sent += PIECE_BYTES) {
      if (!socket.write(piece)) await once(socket, 'drain');
    }
    socket.end();
    await once(socket.resume(), 'end');
    return (bytes * 1000) / (performance.now() - start);
  } finally {
    server.kill();
  }
}

/** Takes all that comes, and ends when the other side does. */
function serve(pem: string): void {
  const key = readFileSync(pem);
  const server = createServer({ key, cert: key, minVersion: 'TLSv1.3' }, (socket: TLSSocket) => {
    socket.on('data', () => undefined).on('end', () => socket.end());
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new BenchError('the server has no port');
    process.stdout.write(`${address.port}\n`);
  });
}

const [, program, pem] = process.argv;
if (program === import.meta.filename && pem !== undefined) serve(pem);

import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { openNbd, type NbdClient } from '../../../agent/images/nbd/nbd-client.js';
import { REGION_BYTES } from '../../../src/codec/formats.js';

/** What the sender reads, again and again. */
export interface LeastSource {
  readonly socketPath: string;
  readonly exportName: string;
  /** Of regions. */
  readonly offsets: readonly number[];
}

/** As many regions as agents have under way. */
const BUFFERS = 8;

/** Read all regions from QEMU and send them, whenever that is asked for, until nobody is there any more. */
async function serve(port: number, { socketPath, exportName, offsets }: LeastSource): Promise<void> {
  const client = await openNbd({ socketPath, exportName });
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
  await once(socket, 'secureConnect');
  const buffers = Array.from({ length: BUFFERS }, () => Buffer.alloc(REGION_BYTES));
  socket.on('data', () => void sendAll(client, socket, offsets, buffers));
  await once(socket, 'close');
  await client.close();
}

async function sendAll(
  client: NbdClient,
  socket: TLSSocket,
  offsets: readonly number[],
  buffers: readonly Buffer[],
): Promise<void> {
  const sent: Promise<void>[] = [];
  let last: Promise<unknown> = Promise.resolve();
  for (const [index, offset] of offsets.entries()) {
    // Regions are read ahead, and sent in order.
    await sent[index - BUFFERS];
    const buffer = buffers[index % BUFFERS] ?? Buffer.alloc(0);
    const read = client.read(buffer, offset);
    const writing = Promise.all([read, last]).then(() => ({ flushed: write(socket, buffer) }));
    last = writing;
    sent.push(writing.then(({ flushed }) => flushed));
  }
}

/** Resolves when the memory is free. */
function write(socket: TLSSocket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    socket.write(bytes, () => {
      resolve();
    });
  });
}

const [, program, port = '0', source = ''] = process.argv;
if (program === import.meta.filename) await serve(Number(port), JSON.parse(source) as LeastSource);

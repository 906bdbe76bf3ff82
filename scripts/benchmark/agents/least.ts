import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer, type TLSSocket } from 'node:tls';
import { BLOCK_BYTES, REGION_BYTES } from '../../../src/codec/formats.js';
import type { KvStore } from '../../../src/store/kv.js';
import { openLevelKv } from '../../../src/store/level-kv.js';
import { keepFreedMemory } from '../../../src/system/malloc.js';
import { WorkerPool } from '../../../src/workers/pool.js';
import type { RegionSlot } from '../../../src/workers/region-slots.js';
import { putsOf, VALUE_BYTES, type BareFigures } from './bare-level.js';
import { BenchError } from '../bench-error.js';
import type { LeastSource } from './least-sender.js';
import { processSeconds } from './process-time.js';

/** After so many passes V8 has compiled what counts. */
const WARM_PASSES = 2;
/** LevelDB is at rest again. */
const REST_MS = 3000;
const BLOCKS_PER_VALUE = VALUE_BYTES / BLOCK_BYTES;
const VALUES_PER_REGION = REGION_BYTES / VALUE_BYTES;
/** Nothing is cut: threads are started with some. */
const CUTTING = { zeroBits: 0, window: 7, maxBlocks: 64, seed: 0n };
/** Any chunks of the size that chunks have on average. */
const PLACES = Array.from({ length: VALUES_PER_REGION }, (_, at) => [at * BLOCKS_PER_VALUE, BLOCKS_PER_VALUE]).flat();

export interface LeastOptions {
  /** The file of a key and its certificate. */
  readonly pem: string;
  readonly directory: string;
  readonly source: LeastSource;
  readonly bytes: number;
  readonly rounds: number;
}

/**
 * What every content-addressed backup into LevelDB has to do with bytes that changed, by the product's own parts, and nothing else: one process
 * reads them from a running QEMU and sends them over TLS, another one names them in threads, puts them into LevelDB, and has them durable. They are not
 * cut, compressed, looked up, compared with what was there, or put into a tree.
 */
export async function leastBackup({ pem, directory, source, bytes, rounds }: LeastOptions): Promise<BareFigures[]> {
  // As the server does.
  keepFreedMemory();
  const key = readFileSync(pem);
  const kv = await openLevelKv(directory, { profile: 'bulk', createIfMissing: true, errorIfExists: true });
  const pool = new WorkerPool({ cutting: CUTTING });
  const server = createServer({ key, cert: key, minVersion: 'TLSv1.3' });
  let sender: ChildProcess | undefined;
  try {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const program = path.join(import.meta.dirname, 'least-sender.js');
    sender = spawn(process.execPath, [program, String(port), JSON.stringify(source)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const died = once(sender, 'exit').then(() => Promise.reject(new BenchError('the sender ended')));
    // Until somebody waits for it.
    died.catch(() => undefined);
    const [socket] = (await Promise.race([once(server, 'secureConnection'), died])) as [TLSSocket];
    const receiver = new Receiver(socket, kv, pool);
    const figures: BareFigures[] = [];
    for (let pass = 0; pass < WARM_PASSES + rounds; pass++) {
      await sleep(REST_MS);
      figures.push(await measure(sender.pid ?? 0, () => Promise.race([receiver.take(bytes), died])));
    }
    socket.end();
    return figures.slice(WARM_PASSES);
  } finally {
    sender?.kill();
    server.close();
    await pool.close();
    await kv.close();
    rmSync(directory, { recursive: true });
  }
}

async function measure(sender: number, work: () => Promise<void>): Promise<BareFigures> {
  const [cpu, before] = [process.cpuUsage(), processSeconds(sender)];
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, processSeconds: (user + system) / 1e6 + processSeconds(sender) - before };
}

/** Takes what comes by regions, as many at a time as there are slots. */
class Receiver {
  readonly #socket: TLSSocket;
  readonly #kv: KvStore;
  readonly #pool: WorkerPool;
  #sequence = 0;

  constructor(socket: TLSSocket, kv: KvStore, pool: WorkerPool) {
    this.#socket = socket.pause();
    this.#kv = kv;
    this.#pool = pool;
  }

  /** Have so many bytes sent, and keep them. Resolves when they are durable. */
  async take(bytes: number): Promise<void> {
    const socket = this.#socket;
    socket.write('go');
    const kept: Promise<void>[] = [];
    let [slot, filled, left] = [await this.#pool.slots.take(), 0, bytes];
    while (left > 0) {
      const piece = socket.read() as Buffer | null;
      if (piece === null) {
        await once(socket, 'readable');
        continue;
      }
      for (let rest = piece; rest.length > 0;) {
        const copied = rest.copy(Buffer.from(slot.region), filled);
        rest = rest.subarray(copied);
        filled += copied;
        left -= copied;
        if (filled < REGION_BYTES && left > 0) continue;
        kept.push(this.#keep(slot, filled));
        if (left > 0) [slot, filled] = [await this.#pool.slots.take(), 0];
      }
    }
    await Promise.all(kept);
    await this.#kv.flush();
  }

  async #keep(slot: RegionSlot, length: number): Promise<void> {
    await this.#pool.run({ op: 'name', region: slot.region, chunks: PLACES });
    const puts = putsOf(Buffer.from(slot.region, 0, length), this.#sequence);
    this.#sequence += puts.length;
    await this.#kv.write(puts, { sync: false });
    this.#pool.slots.giveBack(slot);
  }
}

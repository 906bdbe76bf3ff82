import { rmSync } from 'node:fs';
import { openLevelKv } from '../../../src/store/level-kv.js';
import { keepFreedMemory } from '../../../src/system/malloc.js';

/** As large as chunks are on average, and as the batches in which the store writes them. */
export const VALUE_BYTES = 64 * 1024;
export const BATCH_BYTES = 4 * 1024 * 1024;

export interface BareFigures {
  readonly seconds: number;
  /** Of the processors. */
  readonly processSeconds: number;
}

/**
 * How long it takes to put so many bytes into LevelDB as the store does, until they are durable, with nothing else done to them: no
 * server that keeps its objects in LevelDB takes less.
 */
export async function bareLevel(directory: string, bytes: number): Promise<BareFigures> {
  // As the server does.
  keepFreedMemory();
  const kv = await openLevelKv(directory, { profile: 'bulk', createIfMissing: true, errorIfExists: true });
  try {
    const batch = Buffer.alloc(BATCH_BYTES, 0xa5);
    const cpu = process.cpuUsage();
    const start = performance.now();
    for (let sequence = 0; sequence * VALUE_BYTES < bytes; sequence += BATCH_BYTES / VALUE_BYTES) {
      await kv.write(putsOf(batch, sequence), { sync: false });
    }
    await kv.flush();
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return { seconds, processSeconds: (user + system) / 1e6 };
  } finally {
    await kv.close();
    rmSync(directory, { recursive: true });
  }
}

/** What puts a batch. @param sequence the number of its first value */
export function putsOf(batch: Buffer, sequence: number): { type: 'put'; key: Buffer; value: Buffer }[] {
  return Array.from({ length: Math.ceil(batch.length / VALUE_BYTES) }, (_, index) => {
    const key = Buffer.alloc(8);
    key.writeBigUInt64BE(BigInt(sequence + index));
    return { type: 'put', key, value: batch.subarray(index * VALUE_BYTES, (index + 1) * VALUE_BYTES) };
  });
}

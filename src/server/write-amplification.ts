import { readFile } from 'node:fs/promises';
import type { Store } from '../store/store.js';

/**
 * Bytes that this process gave to its disks for each byte of objects that it stored; null before it stored any.
 * @param restoredBytes what it wrote elsewhere
 */
export async function writeAmplificationOf({ objectStore }: Store, restoredBytes: number): Promise<number | null> {
  const { writtenBytes } = objectStore.log;
  const written = /^write_bytes: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8'))?.[1];
  if (writtenBytes === 0 || written === undefined) return null;
  return Math.max(0, Number(written) - restoredBytes) / writtenBytes;
}

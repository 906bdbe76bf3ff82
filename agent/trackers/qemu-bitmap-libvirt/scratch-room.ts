import { statfs } from 'node:fs/promises';
import type { Clock } from '../../../src/common/clock.js';

const POLL_MS = 200;
const MAX_RESERVE_BYTES = 1024 * 1024 * 1024;
const RESERVE_SHARE = 0.1;

/**
 * Look now and then how much room the disk of `directory` has, and say once that there is little: a tenth, or 1 GiB.
 * @param low - its errors are nobody's
 * @returns what ends the watch
 */
export function watchRoom(directory: string, clock: Clock, low: () => Promise<void>): () => void {
  let isOver = false;
  let stopTimer = (): void => undefined;
  const look = async (): Promise<void> => {
    if (await hasRoom(directory)) next();
    else if (!isOver) await low();
  };
  const next = (): void => {
    if (isOver) return;
    stopTimer = clock.after(POLL_MS, () => {
      look().catch(() => undefined);
    });
  };
  next();
  return () => {
    isOver = true;
    stopTimer();
  };
}

/** True also when nobody knows. */
async function hasRoom(directory: string): Promise<boolean> {
  const stats = await statfs(directory).catch(() => undefined);
  if (stats === undefined) return true;
  const reserve = Math.min(MAX_RESERVE_BYTES, stats.blocks * stats.bsize * RESERVE_SHARE);
  return stats.bavail * stats.bsize > reserve;
}

import { open } from 'node:fs/promises';
import { libc } from './libc.js';
import { ADVICE } from './sparse-file.js';

/** Dropping so much takes a thread of libuv's small pool a few milliseconds; what others want of it comes in between. */
const PIECE_BYTES = 8 * 1024 * 1024;

/**
 * Take what is on the disk of a file, and nobody has mapped, out of the page cache; the main thread goes on meanwhile. Advice only: what the
 * kernel makes of it is not reported.
 * @throws what opening the file throws
 */
export async function dropCached(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    for (let at = 0; at < size; at += PIECE_BYTES) await dontNeed(file.fd, at, PIECE_BYTES);
  } finally {
    await file.close();
  }
}

function dontNeed(fd: number, offset: number, length: number): Promise<void> {
  return new Promise((resolve, reject) => {
    libc().posixFadviseBeside(fd, offset, length, ADVICE.dontNeed, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

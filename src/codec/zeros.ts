const ZEROS = Buffer.alloc(64 * 1024);

/**
 * Make bytes from `start` up to but without `end` zeros. V8 fills memory that threads share byte by byte, 5 ms for a region;
 * Node.js copies what it is to be filled with, 20 times as fast.
 */
export function fillZeros(target: Buffer, start: number, end: number): void {
  if (start < end) target.fill(ZEROS, start, end);
}

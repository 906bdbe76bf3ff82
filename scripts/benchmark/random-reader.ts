import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { BLOCK_BYTES } from './images.js';

/** What the reader program prints. */
export interface ReaderResult {
  readonly reads: number;
  readonly seconds: number;
  /** SHA-256 over the first {@link VERIFIED} blocks. */
  readonly sha256: string;
}

/** How many blocks, from the first, are compared with the original. */
export const VERIFIED = 50;

/** Reads the blocks at `offsets` one after the other, until done or until `limitSeconds` are over. */
export function readBlocks(file: string, offsets: readonly number[], limitSeconds: number): ReaderResult {
  const fd = openSync(file, 'r');
  try {
    const blocks = offsets.slice(0, VERIFIED).map(() => Buffer.alloc(BLOCK_BYTES));
    const scratch = Buffer.alloc(BLOCK_BYTES);
    const start = process.hrtime.bigint();
    let seconds = 0;
    let reads = 0;
    for (const offset of offsets) {
      readSync(fd, blocks[reads] ?? scratch, 0, BLOCK_BYTES, offset);
      reads += 1;
      seconds = Number(process.hrtime.bigint() - start) / 1e9;
      if (seconds > limitSeconds && reads >= VERIFIED) break;
    }
    return { reads, seconds, sha256: createHash('sha256').update(Buffer.concat(blocks)).digest('hex') };
  } finally {
    closeSync(fd);
  }
}

const [program, file, offsetsFile, limit] = process.argv.slice(1);
if (program === import.meta.filename && file !== undefined && offsetsFile !== undefined) {
  const offsets = JSON.parse(readFileSync(offsetsFile, 'utf8')) as number[];
  process.stdout.write(JSON.stringify(readBlocks(file, offsets, Number(limit))) + '\n');
}

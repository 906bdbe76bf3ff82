import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { SeededRandom } from '../random.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const BLOCK_BYTES = 4096;
/** Blocks that change from one shadow copy to the next, each in another run. */
const CHANGED_BLOCKS = 4;

/** A sparse raw image: as much data and as much change whatever its size, in runs of 1 MiB all over it. */
export class SparseVolume {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #runs: readonly number[];
  readonly #random: SeededRandom;
  #changes = 0;

  /** Makes the file. */
  constructor(path: string, gib: number, dataMib: number, seed: number) {
    this.path = path;
    this.sizeBytes = gib * GIB;
    this.#runs = placeRuns(this.sizeBytes, dataMib);
    this.#random = new SeededRandom(seed);
    this.#open((fd) => {
      ftruncateSync(fd, this.sizeBytes);
      for (const offset of this.#runs) writeSync(fd, this.#random.bytes(MIB), 0, MIB, offset);
    });
  }

  /** Where there is data: the run in the middle. */
  get dataOffset(): number {
    return this.#runs[Math.floor(this.#runs.length / 2)] ?? 0;
  }

  /** The change that each shadow copy has. */
  change(): void {
    this.#changes++;
    const block = (this.#changes % (MIB / BLOCK_BYTES)) * BLOCK_BYTES;
    const step = Math.max(1, Math.floor(this.#runs.length / CHANGED_BLOCKS));
    this.#open((fd) => {
      for (let index = 0; index < CHANGED_BLOCKS; index++) {
        const run = this.#runs[(this.#changes + index * step) % this.#runs.length] ?? 0;
        writeSync(fd, this.#random.bytes(BLOCK_BYTES), 0, BLOCK_BYTES, run + block);
      }
    });
  }

  #open(use: (fd: number) => void): void {
    const fd = openSync(this.path, this.#changes === 0 ? 'w' : 'r+');
    try {
      use(fd);
    } finally {
      closeSync(fd);
    }
  }
}

/** Offsets of `count` runs of 1 MiB, evenly over a volume. */
export function placeRuns(sizeBytes: number, count: number): number[] {
  const stride = Math.floor(sizeBytes / MIB / count) * MIB;
  return Array.from({ length: count }, (_, index) => index * stride);
}

import { BLOCK_BYTES, BLOCKS_PER_REGION, FRAME, REGION_BYTES } from '../codec/formats.js';
import { FrameSeal } from '../codec/frame-seal.js';

/**
 * Memory that the main thread and a worker share to pass one region. It is used again and again: buffers that are
 * made for each message and left to the garbage collector measured 860 MB of anonymous memory in one backup.
 */
export interface RegionSlot {
  readonly region: SharedArrayBuffer;
  /** Room for the frames of a whole region, sealed or not, even if no chunk shrinks and each is one block: longer chunks are padded less. */
  readonly frames: SharedArrayBuffer;
}

/** A fixed number of slots, made when first needed; who finds none waits. */
export class RegionSlots {
  readonly #most: number;
  readonly #free: RegionSlot[] = [];
  readonly #waiting: ((slot: RegionSlot) => void)[] = [];
  #made = 0;

  constructor(most: number) {
    this.#most = most;
  }

  async take(): Promise<RegionSlot> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < this.#most) {
      this.#made++;
      return {
        region: new SharedArrayBuffer(REGION_BYTES),
        frames: new SharedArrayBuffer(BLOCKS_PER_REGION * FrameSeal.bound(FRAME.headerBytes + BLOCK_BYTES)),
      };
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  giveBack(slot: RegionSlot): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(slot);
    else next(slot);
  }
}

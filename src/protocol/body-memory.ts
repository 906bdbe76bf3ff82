import { MAX_BODY_BYTES } from './frames.js';

/** Bodies below this are made each time: a small one must not keep so much more memory than was counted for it. */
const LARGE_BYTES = MAX_BODY_BYTES / 2;
const MOST_FREE = 8;

/**
 * Memory for the bodies of frames; what large ones had is used again. New memory comes from the kernel page by page, and goes
 * back when the garbage collector finds out: that took more of the processor than copying into it.
 */
export class BodyMemory {
  readonly #free: Buffer[] = [];

  take(bytes: number): Buffer {
    if (bytes < LARGE_BYTES) return Buffer.allocUnsafe(bytes);
    return (this.#free.pop() ?? Buffer.allocUnsafeSlow(MAX_BODY_BYTES)).subarray(0, bytes);
  }

  /** @param body as it was taken; nobody uses it any more */
  giveBack(body: Buffer): void {
    if (body.length < LARGE_BYTES || this.#free.length >= MOST_FREE) return;
    this.#free.push(Buffer.from(body.buffer));
  }
}

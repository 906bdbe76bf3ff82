import { damaged } from '../damaged.js';

/** A log of 2 GiB has fewer. */
const MOST = 1_000_000;

/**
 * Buffers whose blocks were freed: what was logged of them before must not be replayed, since the blocks may be a
 * file's now. The first pass counts their cancellations, the second takes them off again.
 */
export class CancelledBuffers {
  readonly #counts = new Map<string, number>();

  /** @param blocks of 512 bytes */
  add(block: number, blocks: number): void {
    const key = keyOf(block, blocks);
    if (this.#counts.size >= MOST) throw damaged('the log cancels too many buffers');
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  has(block: number, blocks: number): boolean {
    return this.#counts.has(keyOf(block, blocks));
  }

  take(block: number, blocks: number): void {
    const key = keyOf(block, blocks);
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
  }
}

function keyOf(block: number, blocks: number): string {
  return `${block}:${blocks}`;
}

import { setTimeout } from 'node:timers/promises';
import { UmbraError } from '../../src/common/errors.js';

/** Whoever changes something passes here, so that for an instant nobody does. */
export class Gate {
  #inside = 0;
  #closed: { readonly opened: Promise<void>; readonly open: () => void } | undefined;
  #onEmpty: (() => void) | undefined;
  #holding: Promise<unknown> = Promise.resolve();

  /** Do something that changes files. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    while (this.#closed !== undefined) await this.#closed.opened;
    this.#inside++;
    try {
      return await work();
    } finally {
      this.#inside--;
      if (this.#inside === 0) this.#onEmpty?.();
    }
  }

  /**
   * Wait until nobody is inside, keep everybody out, and do something; one after the other.
   * @throws {UmbraError} TRACKER_FAILED when those inside take longer than `limitMs`
   */
  async hold<T>(limitMs: number, work: () => T | Promise<T>): Promise<T> {
    const before = this.#holding;
    const mine = before.then(() => this.#hold(limitMs, work));
    this.#holding = mine.catch(() => undefined);
    return await mine;
  }

  async #hold<T>(limitMs: number, work: () => T | Promise<T>): Promise<T> {
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#closed = { opened, open };
    try {
      await this.#empty(limitMs);
      return await work();
    } finally {
      this.#closed = undefined;
      open();
    }
  }

  async #empty(limitMs: number): Promise<void> {
    if (this.#inside === 0) return;
    const timer = new AbortController();
    const emptied = new Promise<'empty'>((resolve) => {
      this.#onEmpty = () => {
        resolve('empty');
      };
    });
    const late = setTimeout(limitMs, 'late' as const, { signal: timer.signal }).catch(() => 'late' as const);
    const first = await Promise.race([emptied, late]);
    this.#onEmpty = undefined;
    timer.abort();
    if (first === 'empty') return;
    throw new UmbraError('TRACKER_FAILED', `writes under way did not end within ${limitMs} ms`, {
      hint: 'The disk of the images is very busy; try again.',
    });
  }
}

/**
 * A lock with two sides: any number of tasks inside `shared`, or one inside `exclusive`. Who waits
 * for `exclusive` goes before those who come for `shared` later, so it is never starved.
 */
export class Gate {
  #inside = 0;
  #locked = false;
  readonly #waitingShared: (() => void)[] = [];
  readonly #waitingExclusive: (() => void)[] = [];

  /** Run `task` beside other shared tasks. */
  async shared<T>(task: () => Promise<T>): Promise<T> {
    if (this.#locked || this.#waitingExclusive.length > 0) {
      // Who wakes us has already counted us in.
      await new Promise<void>((resolve) => this.#waitingShared.push(resolve));
    } else {
      this.#inside++;
    }
    try {
      return await task();
    } finally {
      this.#inside--;
      this.#wake();
    }
  }

  /** Run `task` alone. */
  async exclusive<T>(task: () => Promise<T>): Promise<T> {
    if (this.#locked || this.#inside > 0) {
      await new Promise<void>((resolve) => this.#waitingExclusive.push(resolve));
    } else {
      this.#locked = true;
    }
    try {
      return await task();
    } finally {
      this.#locked = false;
      this.#wake();
    }
  }

  #wake(): void {
    if (this.#locked || this.#inside > 0) return;
    const next = this.#waitingExclusive.shift();
    if (next !== undefined) {
      this.#locked = true;
      next();
      return;
    }
    for (const enter of this.#waitingShared.splice(0)) {
      this.#inside++;
      enter();
    }
  }
}

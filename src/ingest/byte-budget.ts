/** So many bytes may be in memory at a time; who wants more waits for his turn, first come, first served. */
export class ByteBudget {
  readonly #most: number;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** @param bytes no more than there may ever be */
  async take(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#taken + bytes <= this.#most) {
      this.#taken += bytes;
      return;
    }
    await new Promise<void>((go) => this.#waiting.push({ bytes, go }));
  }

  giveBack(bytes: number): void {
    this.#taken -= bytes;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#taken + next.bytes > this.#most) return;
      this.#waiting.shift();
      this.#taken += next.bytes;
      next.go();
    }
  }
}

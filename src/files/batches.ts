/** So many items go out at once. */
const BATCH_ITEMS = 500;

/** Items for a stream, given on some at a time; whoever adds one waits while they are taken. */
export class Batches<T> {
  /** How many there were. */
  count = 0;
  readonly #emit: (items: readonly T[]) => Promise<void>;
  #items: T[] = [];

  constructor(emit: (items: readonly T[]) => Promise<void>) {
    this.#emit = emit;
  }

  async add(item: T): Promise<void> {
    this.count++;
    this.#items.push(item);
    if (this.#items.length >= BATCH_ITEMS) await this.flush();
  }

  async flush(): Promise<void> {
    const items = this.#items;
    this.#items = [];
    if (items.length > 0) await this.#emit(items);
  }
}

/** A Map that forgets what was used the longest ago when there is too much in it. */
export class Lru<K, V> {
  readonly #maxWeight: number;
  readonly #weigh: (value: V) => number;
  readonly #values = new Map<K, V>();
  #weight = 0;

  /** @param weigh what a value counts; must not change while it is kept */
  constructor(maxWeight: number, weigh: (value: V) => number = () => 1) {
    this.#maxWeight = maxWeight;
    this.#weigh = weigh;
  }

  /** How many values are kept. */
  get size(): number {
    return this.#values.size;
  }

  get(key: K): V | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  /** Keep `value`, which stays even if it alone is too much. */
  set(key: K, value: V): V {
    this.take(key);
    this.#values.set(key, value);
    this.#weight += this.#weigh(value);
    for (const oldest of this.#values.keys()) {
      if (this.#weight <= this.#maxWeight || this.#values.size === 1) break;
      this.take(oldest);
    }
    return value;
  }

  /** The value, which is not kept any more. */
  take(key: K): V | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#weight -= this.#weigh(value);
    this.#values.delete(key);
    return value;
  }
}

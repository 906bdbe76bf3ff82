/** The least and the greatest power of ten around values that are above 0, and at least one apart. */
export interface Decades {
  readonly first: number;
  readonly last: number;
}

export function decades(values: readonly number[]): Decades {
  const logs = values.map((value) => Math.log10(value));
  const first = Math.floor(Math.min(...logs));
  return { first, last: Math.max(first + 1, Math.ceil(Math.max(...logs))) };
}

/** Places values on a logarithmic scale. */
export class LogScale {
  readonly #decades: Decades;
  readonly #from: number;
  readonly #to: number;

  /**
   * @param from where the first power of ten is
   * @param to where the last one is
   */
  constructor(decades: Decades, from: number, to: number) {
    this.#decades = decades;
    this.#from = from;
    this.#to = to;
  }

  /** All powers of ten, for the grid. */
  get ticks(): number[] {
    const { first, last } = this.#decades;
    // Not 10 ** -3, which is not quite 0.001.
    return Array.from({ length: last - first + 1 }, (_, index) => Number(`1e${first + index}`));
  }

  place(value: number): number {
    const { first, last } = this.#decades;
    return this.#from + ((Math.log10(value) - first) / (last - first)) * (this.#to - this.#from);
  }
}

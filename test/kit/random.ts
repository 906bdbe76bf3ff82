import type { Test } from 'tap';

/** A seeded generator (mulberry32): the same seed, the same run. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  readonly fraction = (): number => {
    this.#state = (this.#state + STEP) >>> 0;
    return (mix(this.#state) >>> 0) / 2 ** 32;
  };

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor(this.fraction() * below);
  }

  /** A whole number in [least, most]. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** Another one, for work that goes on beside: what each chooses does not depend on when the other does. */
  fork(): Random {
    return new Random(this.below(2 ** 32));
  }

  /** As many words as {@link fraction} would give; without its calls, which cost most where coverage counts them. */
  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4));
    let state = this.#state;
    for (let index = 0; index < words.length; index++) {
      state = (state + STEP) >>> 0;
      words[index] = mix(state);
    }
    this.#state = state;
    return Buffer.from(words.buffer, 0, length);
  }
}

/** Of mulberry32. */
const STEP = 0x6d2b79f5;

function mix(state: number): number {
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return mixed ^ (mixed >>> 14);
}

/** The seed of this run: `UMBRA_TEST_SEED` when set, else a new one; logged, so that a failure can be repeated. */
export function testSeed(t: Test): number {
  const given = process.env['UMBRA_TEST_SEED'];
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
  t.comment(`seed ${seed}`);
  return seed;
}

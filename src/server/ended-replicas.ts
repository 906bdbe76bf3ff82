import { isUmbraError } from '../common/errors.js';

export interface EndedReplicasOptions {
  /** How many there were since the store was opened, or rebuilt. @throws {UmbraError} STORE_IN_USE while it is rebuilt */
  readonly count: () => number;
  /** There are more of them. */
  readonly onMore: () => void;
}

/** Sees that replicas have ended, however they did: by a shadow copy of the scheduler's, by one that somebody made, or dropped. */
export class EndedReplicas {
  readonly #options: EndedReplicasOptions;
  #seen = 0;

  constructor(options: EndedReplicasOptions) {
    this.#options = options;
  }

  look(): void {
    const count = this.#count();
    const isMore = count > this.#seen;
    this.#seen = count;
    if (isMore) this.#options.onMore();
  }

  #count(): number {
    try {
      return this.#options.count();
    } catch (error) {
      // A store that was rebuilt counts anew.
      if (isUmbraError(error)) return 0;
      throw error;
    }
  }
}

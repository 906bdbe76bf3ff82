import { UmbraError } from '../../src/common/errors.js';

/** A bound on the work that one call may do on a guest's data: hostile data gets an error instead of an endless loop. */
export class Budget {
  #left: number;
  readonly #what: string;

  /** @param what is limited, for the error: `nodes of the directory` */
  constructor(limit: number, what: string) {
    this.#left = limit;
    this.#what = what;
  }

  /** @throws {UmbraError} FILESYSTEM_DAMAGED when it is used up */
  spend(amount = 1): void {
    this.#left -= amount;
    if (this.#left < 0)
      throw new UmbraError('FILESYSTEM_DAMAGED', `too many ${this.#what}: there is a loop, or damage`);
  }
}

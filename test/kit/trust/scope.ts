import type { Teardown } from '../umbra-program.js';

/** Collects what is to be cleaned up, for work that ends before its test does, or has none. */
export class Scope implements Teardown {
  readonly #handlers: (() => unknown)[] = [];

  teardown(handler: () => unknown): void {
    this.#handlers.push(handler);
  }

  /** Clean up, the newest first. */
  async end(): Promise<void> {
    for (let handler = this.#handlers.pop(); handler !== undefined; handler = this.#handlers.pop()) await handler();
  }
}

import type { Clock } from '../src/common/clock.js';
import { isUmbraError, messageOf } from '../src/common/errors.js';
import type { Log } from '../src/common/log.js';

/** The same trouble is logged again after this time. */
const QUIET_MS = 60_000;
const MAX_REMEMBERED = 1000;

/**
 * Logs what made a request fail with EIO. The kernel asks again for each page that it could not
 * read ahead, and programs go on to the next block, so the same message is not repeated for a minute.
 */
export class TroubleLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #loggedAt = new Map<string, number>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  report(error: unknown, operation: string, path: string): void {
    const reason = messageOf(error);
    const key = `${path}\n${reason}`;
    const now = this.#clock.monotonic();
    const before = this.#loggedAt.get(key);
    if (before !== undefined && now - before < QUIET_MS) return;
    if (this.#loggedAt.size >= MAX_REMEMBERED) this.#loggedAt.clear();
    this.#loggedAt.set(key, now);
    const code = isUmbraError(error) ? error.code : 'INTERNAL';
    this.#log.error('mount: a request failed', { code, reason, operation, path });
  }
}

import type { Clock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';

/** After a pause so many seconds of the rate may be sent at once. */
const BURST_SECONDS = 0.25;
/** It is looked again then: a timer of more than 24 days would go off at once. */
const LONGEST_WAIT_MS = 60_000;

/**
 * Resolves when so many bytes may be sent.
 * @throws {UmbraError} CANCELLED as soon as the signal is aborted
 */
export type TakeBytes = (bytes: number, signal: AbortSignal) => Promise<void>;

/** What one of those who share has been given, counted from what all others had when it began. */
interface Share {
  givenBytes: number;
}

interface Waiting {
  readonly share: Share;
  readonly bytes: number;
  readonly go: () => void;
}

/**
 * A rate that several share: over any time no more is given than the rate times that time, and a burst, which is a quarter of a
 * second's or the largest piece, whichever is more. Larger pieces than a burst are given when a whole burst has been saved, and paid
 * off afterwards. Of those who wait, the one that has been given the least comes next, whatever the size of what they ask for.
 */
export class Bandwidth {
  readonly #clock: Clock;
  readonly #waiting: Waiting[] = [];
  #bytesPerSecond: number | undefined;
  /** What may be sent just now, in bytes; below zero while a large piece is paid off. */
  #credit = 0;
  #countedMs: number;
  /** What the one that was given something last had before. */
  #givenBytes = 0;
  #stopTimer = (): void => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#countedMs = clock.monotonic();
  }

  /** From now on; also for those who wait. @param bytesPerSecond undefined lets everything through */
  limit(bytesPerSecond: number | undefined): void {
    if (bytesPerSecond === this.#bytesPerSecond) return;
    this.#earn();
    const burst = burstOf(bytesPerSecond);
    this.#credit = this.#bytesPerSecond === undefined ? burst : Math.min(this.#credit, burst);
    this.#bytesPerSecond = bytesPerSecond;
    this.#serve();
  }

  /** For one of those who share: a backup. */
  share(): TakeBytes {
    const share = { givenBytes: 0 };
    return async (bytes, signal) => {
      if (signal.aborted) throw cancelled();
      if (this.#bytesPerSecond !== undefined) await this.#wait(share, bytes, signal);
    };
  }

  #wait(share: Share, bytes: number, signal: AbortSignal): Promise<void> {
    // Who had nothing to send is not given more than the others for that.
    share.givenBytes = Math.max(share.givenBytes, this.#givenBytes);
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const waiting = { share, bytes, go };
      const leave = (): void => {
        this.#remove(waiting);
        reject(cancelled());
        this.#serve();
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(waiting);
      this.#serve();
    });
  }

  /** Let go whom there is enough for, and look again when there is enough for the next one. */
  #serve(): void {
    this.#stopTimer();
    this.#earn();
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const waitMs = this.#waitMs(next.bytes);
      if (waitMs > 0) {
        this.#stopTimer = this.#clock.after(Math.min(waitMs, LONGEST_WAIT_MS), () => {
          this.#serve();
        });
        return;
      }
      this.#remove(next);
      this.#credit -= next.bytes;
      this.#givenBytes = next.share.givenBytes;
      next.share.givenBytes += next.bytes;
      next.go();
    }
  }

  /** Of several that were given the same, the one that waits the longest. */
  #next(): Waiting | undefined {
    const [first, ...others] = this.#waiting;
    if (first === undefined) return undefined;
    return others.reduce((least, other) => (other.share.givenBytes < least.share.givenBytes ? other : least), first);
  }

  #remove(waiting: Waiting): void {
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
  }

  #earn(): void {
    const nowMs = this.#clock.monotonic();
    if (this.#bytesPerSecond !== undefined) {
      const earned = (this.#bytesPerSecond * (nowMs - this.#countedMs)) / 1000;
      this.#credit = Math.min(this.#credit + earned, burstOf(this.#bytesPerSecond));
    }
    this.#countedMs = nowMs;
  }

  #waitMs(bytes: number): number {
    if (this.#bytesPerSecond === undefined) return 0;
    const lacking = Math.min(bytes, burstOf(this.#bytesPerSecond)) - this.#credit;
    return Math.max(0, Math.ceil((lacking / this.#bytesPerSecond) * 1000));
  }
}

function burstOf(bytesPerSecond: number | undefined): number {
  return (bytesPerSecond ?? 0) * BURST_SECONDS;
}

function cancelled(): UmbraError {
  return new UmbraError('CANCELLED', 'cancelled');
}

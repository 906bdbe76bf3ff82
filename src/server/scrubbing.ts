import type { Alerts } from '../alerts/alert.js';
import type { Clock } from '../common/clock.js';
import { messageOf } from '../common/errors.js';
import type { Log } from '../common/log.js';
import type { Progress } from '../protocol/api.js';
import type { ScrubResult } from '../protocol/upkeep-api.js';
import type { Scrub } from '../store/scrub.js';
import type { OperationKind } from './conflicts.js';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Without a period figures are told as if it were this long. */
const USUAL_DAYS = 30;
/** Clocks are set, and computers sleep: it is looked again after so long at the latest. */
const LONGEST_SLEEP_MS = 10 * 60_000;
/** Between two small steps, when nobody waits for anything. */
const PAUSE_MS = 250;
/** Somebody works: whatever is read can wait. */
const YIELD_MS = 5_000;
/** After the store could not be read or written. */
const AFTER_TROUBLE_MS = 60_000;
/** What is behind takes this part of the time beside others that work: one step, and as long as so many steps nothing. */
const PAUSES_BESIDE_WORK = 4;

/** Operations that read or write much: nothing is read beside them that can wait. */
const WORK: ReadonlySet<string> = new Set<OperationKind>([
  'backup',
  'restore',
  'export',
  'diff',
  'gc',
  'verify',
  'rebuild',
  'files',
  'copy',
  'request',
  'damage',
]);

export interface ScrubbingOptions {
  /** What reads, of the store as it is now. @throws {UmbraError} STORE_IN_USE while it is rebuilt, STORE_FAILED */
  readonly scrub: () => Promise<Scrub>;
  /** The operations that run. */
  readonly running: () => readonly { readonly kind: string }[];
  /** Everything is read once in so many days; 0 to read nothing by itself. */
  readonly days: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly alerts: Alerts;
}

/** Has a store read again and again, in small steps while nobody else works, and still in time. */
export class Scrubbing {
  readonly #options: ScrubbingOptions;
  readonly #stop = new AbortController();
  #cancelTimer = (): void => undefined;
  #turn: Promise<void> = Promise.resolve();
  #isRunning = false;
  #othersReads = 0;

  constructor(options: ScrubbingOptions) {
    this.#options = options;
  }

  /** Begin to read by itself, if it is to. */
  start(): void {
    if (this.#options.days === 0) return;
    this.#isRunning = true;
    this.#sleep(PAUSE_MS);
  }

  /** Resolves when nothing is read any more. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#cancelTimer();
    this.#stop.abort();
    await this.#turn;
  }

  /** Read everything once, without pauses. @throws {UmbraError} STORE_FULL, STORE_FAILED; what `signal` was aborted with */
  async readAll(signal: AbortSignal, progress: (progress: Progress) => void): Promise<ScrubResult> {
    const scrub = await this.#options.scrub();
    const begin = scrub.store.moment();
    const before = scrub.readBytes;
    await scrub.look();
    while (scrub.hasOlder(begin)) {
      await scrub.step(signal);
      progress({ what: 'reading objects', doneBytes: scrub.readBytes - before });
    }
    return await this.result();
  }

  /** How far it is. @throws {UmbraError} STORE_IN_USE while the store is rebuilt, STORE_FAILED */
  async result(): Promise<ScrubResult> {
    const scrub = await this.#options.scrub();
    await scrub.look();
    const { days } = this.#options;
    const periodMs = (days === 0 ? USUAL_DAYS : days) * DAY_MS;
    const { isLate } = scrub.plan(periodMs);
    const figures = await scrub.figures(periodMs);
    const { objects, bytes, unreadObjects, readSince, oldestMs, pass, bytesPerDay, passLeftMs } = figures;
    const nowMs = this.#options.clock.now();
    return {
      isRunning: this.#isRunning,
      days,
      objects,
      storedBytes: bytes,
      isEstimate: objects > 0 && readSince === undefined,
      unreadObjects,
      ...(readSince === undefined ? {} : { readSince: isoTime(readSince.wallMs) }),
      oldestDays: oldestMs / DAY_MS,
      isLate: days !== 0 && isLate,
      ...(pass.begin === undefined ? {} : { passBeganAt: isoTime(pass.begin.wallMs) }),
      passObjects: pass.readObjects,
      ...(this.#isRunning ? { passEndsAt: isoTime(nowMs + passLeftMs) } : {}),
      bytesPerDay: days === 0 ? 0 : Math.round(bytesPerDay),
      readBytes: scrub.readBytes,
      damagedObjects: scrub.store.objectStore.quarantined.size + scrub.damage.length,
    };
  }

  #sleep(delayMs: number): void {
    this.#cancelTimer();
    if (!this.#isRunning) return;
    this.#cancelTimer = this.#options.clock.after(Math.min(delayMs, LONGEST_SLEEP_MS), () => {
      this.#turn = this.#takeTurn();
    });
  }

  async #takeTurn(): Promise<void> {
    let delayMs = AFTER_TROUBLE_MS;
    try {
      delayMs = await this.#step();
    } catch (error) {
      // Whoever rebuilds the store, and a disk that is full, keep it from reading for a while.
      if (!this.#stop.signal.aborted)
        this.#options.log.warn('reading everything again is held up', { error: messageOf(error) });
    }
    this.#sleep(delayMs);
  }

  /** @returns in how long the next step is due */
  async #step(): Promise<number> {
    const { clock, days } = this.#options;
    const scrub = await this.#options.scrub();
    await scrub.look();
    const { next, waitMs, isBehind, isLate } = scrub.plan(days * DAY_MS);
    await this.#tell(isLate, scrub);
    if (next === undefined) return LONGEST_SLEEP_MS;
    if (!scrub.isReading && waitMs > 0) return waitMs;
    const isBusy = this.#isBusy(scrub);
    if (isBusy && !isBehind) return YIELD_MS;
    const beganMs = clock.monotonic();
    await scrub.step(this.#stop.signal);
    const tookMs = clock.monotonic() - beganMs;
    if (!isBehind) return PAUSE_MS;
    return Math.max(1, isBusy ? PAUSES_BESIDE_WORK * tookMs : tookMs);
  }

  /** Somebody works, or reads from a mount. */
  #isBusy(scrub: Scrub): boolean {
    const isRead = scrub.othersReads !== this.#othersReads;
    this.#othersReads = scrub.othersReads;
    return isRead || this.#options.running().some(({ kind }) => WORK.has(kind));
  }

  async #tell(isLate: boolean, scrub: Scrub): Promise<void> {
    const { alerts, days } = this.#options;
    if (!isLate) {
      alerts.end('scrub-late', 'store', `everything was read in the last ${days} days`);
      return;
    }
    const oldestDays = Math.floor((await scrub.figures(days * DAY_MS)).oldestMs / DAY_MS);
    alerts.begin({
      kind: 'scrub-late',
      subject: 'store',
      severity: 'warning',
      text: `some of the store was not read for ${oldestDays} days; all of it should be every ${days}`,
      advice: 'Run "umbra scrub --now", or give it more days ("umbra serve --scrub-days").',
      facts: { oldestDays, days },
    });
  }
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

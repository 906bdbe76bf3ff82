import type { Clock } from '../common/clock.js';
import { isUmbraError } from '../common/errors.js';
import type { Boot } from '../system/boot-time.js';
import type { Listing } from './catalog.js';
import { Fields } from './fields.js';
import { packRecord, unpackRecord, withCheck, withoutCheck } from './checked.js';
import { trustedTimeKey } from './keys.js';
import type { KvReader, KvWriter } from './kv.js';

/** So often it is noted how much time has passed: what has passed since is lost when the machine stops. */
const NOTE_MS = 10 * 60_000;

/** How much time had passed, and what the clocks said then. */
interface Note {
  readonly trustedMs: number;
  readonly sinceMs: number;
  readonly wallMs: number;
  readonly bootId: string;
  readonly uptimeMs: number;
}

export interface TrustedTimeOptions {
  readonly meta: KvReader & KvWriter;
  readonly clock: Clock;
  readonly boot: () => Boot;
  /** What is listed: it is no earlier than the newest of them. */
  readonly listings: Iterable<Listing>;
}

/**
 * A time by which ages are judged, that nobody can set forward. It begins as the wall clock's, and from then on only goes on by time
 * that has certainly passed: while this runs, by the monotonic clock; across restarts, by the clock that runs since the machine started,
 * and by no more than the wall clock says. What passed while the machine was off is not counted. So it may be behind the wall clock,
 * and two of its times are only good for what lies between them.
 */
export class TrustedTime {
  /** When it began. */
  readonly sinceMs: number;
  readonly #options: TrustedTimeOptions;
  readonly #beginMs: number;
  readonly #beginMonotonic: number;
  #cancel: () => void = () => undefined;

  private constructor(options: TrustedTimeOptions, sinceMs: number, beginMs: number) {
    this.#options = options;
    this.sinceMs = sinceMs;
    this.#beginMs = beginMs;
    this.#beginMonotonic = options.clock.monotonic();
  }

  /** Go on from what is noted. @throws {UmbraError} STORE_FAILED */
  static async open(options: TrustedTimeOptions): Promise<TrustedTime> {
    const { meta, clock } = options;
    const { leastMs, newestMs } = timesOf(options.listings);
    const noted = await readNote(meta);
    const passed = noted === undefined ? undefined : noted.trustedMs + passedSince(noted, clock.now(), options.boot());
    // Without a note it goes on from the newest shadow copy: nobody knows how much has passed since.
    const beginMs = Math.max(passed ?? leastMs ?? Math.min(newestMs ?? Infinity, clock.now()), leastMs ?? 0);
    const time = new TrustedTime(options, noted?.sinceMs ?? beginMs, beginMs);
    // What is noted is good to go on from for a while: opening a store need not write.
    if (noted === undefined || isOld(noted, beginMs, clock.now(), options.boot())) await time.#note().catch(unlessFull);
    time.#noteLater();
    return time;
  }

  /** In milliseconds; whole ones. */
  now(): number {
    return this.#beginMs + Math.max(0, Math.floor(this.#options.clock.monotonic() - this.#beginMonotonic));
  }

  close(): void {
    this.#cancel();
  }

  #noteLater(): void {
    this.#cancel = this.#options.clock.after(NOTE_MS, () => {
      // A disk that is full, or a store that is closing: the next note, or the next server, has it.
      void this.#note()
        .catch(() => undefined)
        .then(() => {
          this.#noteLater();
        });
    });
  }

  async #note(): Promise<void> {
    const { clock, boot, meta } = this.#options;
    const { id: bootId, uptimeMs } = boot();
    const note: Note = { trustedMs: this.now(), sinceMs: this.sinceMs, wallMs: clock.now(), bootId, uptimeMs };
    const value = withCheck(trustedTimeKey, packRecord(note));
    await meta.write([{ type: 'put', key: trustedTimeKey, value }], { sync: true });
  }
}

/** True if a note is no longer good to go on from: what has passed would not be counted after the machine's next start, or not at all. */
function isOld(noted: Note, trustedMs: number, wallMs: number, { id }: Boot): boolean {
  return trustedMs - noted.trustedMs >= NOTE_MS || id !== noted.bootId || wallMs < noted.wallMs;
}

/** The newest by the trusted time, and the newest by the wall clocks of then; undefined where there is none. */
function timesOf(listings: Iterable<Listing>): { leastMs: number | undefined; newestMs: number | undefined } {
  let leastMs: number | undefined;
  let newestMs: number | undefined;
  for (const { storedAtMs, timeMs } of listings) {
    if (storedAtMs !== undefined) leastMs = Math.max(leastMs ?? 0, storedAtMs);
    newestMs = Math.max(newestMs ?? 0, timeMs);
  }
  return { leastMs, newestMs };
}

/** Without a note the next server begins where this one did. */
function unlessFull(error: unknown): void {
  if (!isUmbraError(error, 'STORE_FULL')) throw error;
}

/** How much time has certainly passed since a note. */
function passedSince(noted: Note, wallMs: number, { id, uptimeMs }: Boot): number {
  // Without another start in between it is the difference; else the machine has started since, and runs for so long.
  const isSameBoot = id !== '' && id === noted.bootId && uptimeMs >= noted.uptimeMs;
  const running = isSameBoot ? uptimeMs - noted.uptimeMs : uptimeMs;
  return Math.max(0, Math.min(running, wallMs - noted.wallMs));
}

/** @returns undefined if there is none, or it is damaged */
async function readNote(meta: KvReader): Promise<Note | undefined> {
  const value = await meta.get(trustedTimeKey);
  const bytes = value === undefined ? undefined : withoutCheck(trustedTimeKey, value);
  if (bytes === undefined) return undefined;
  try {
    const fields = new Fields(unpackRecord(bytes, 'the trusted time'), 'the trusted time');
    return {
      trustedMs: fields.time('trustedMs'),
      sinceMs: fields.time('sinceMs'),
      wallMs: fields.time('wallMs'),
      bootId: fields.text('bootId'),
      uptimeMs: fields.number('uptimeMs'),
    };
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
    throw error;
  }
}

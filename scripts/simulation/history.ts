import { createHash, type Hash } from 'node:crypto';
import type { WorldClock } from './world-clock.js';

/** Lines that are kept to be shown with what did not hold. */
const KEPT = 2000;

/** What has happened, line by line: two runs that are the same have the same digest. */
export class History {
  readonly #clock: WorldClock;
  readonly #hash: Hash = createHash('sha256');
  readonly #lines: { readonly machine: string; readonly text: string }[] = [];
  readonly counts = new Map<string, number>();
  #length = 0;

  readonly #tell: (line: string) => void;

  /** @param tell told of each line */
  constructor(clock: WorldClock, tell: (line: string) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** @param machine of which it is; the fleet without it */
  add(what: string, machine = '', detail = ''): void {
    this.#length += 1;
    const { passedMs, wallMs } = this.#clock;
    const hours = (passedMs / 3_600_000).toFixed(4).padStart(11);
    const text = `${hours} h  ${isoTime(wallMs)}  ${what}${machine === '' ? '' : ` ${machine}`}${detail === '' ? '' : `: ${detail}`}`;
    this.#hash.update(`${text}\n`);
    this.#tell(text);
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    this.#lines.push({ machine, text });
    if (this.#lines.length > 2 * KEPT) this.#lines.splice(0, KEPT);
  }

  count(what: string): number {
    return this.counts.get(what) ?? 0;
  }

  /** The last lines about a machine, and about what is everybody's. */
  last(most: number, machine: string): string[] {
    return this.#lines
      .filter((line) => line.machine === '' || line.machine === machine)
      .slice(-most)
      .map(({ text }) => text);
  }

  get length(): number {
    return this.#length;
  }

  digest(): string {
    return this.#hash.copy().digest('hex').slice(0, 16);
  }
}

/** Clocks may be set to where years have five digits. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

import { UmbraError } from '../common/errors.js';
import type { ByteRange } from '../protocol/api.js';

/** As many ranges stand in a message. */
const SHOWN_RANGES = 8;

/** The parts of a volume that could not be restored, in order. */
export class DamagedRanges {
  readonly #ranges: ByteRange[] = [];

  /** Ranges come in order; one that follows another directly is joined to it. */
  add(offset: number, length: number): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && last.offset + last.length === offset) {
      this.#ranges[this.#ranges.length - 1] = { offset: last.offset, length: last.length + length };
    } else {
      this.#ranges.push({ offset, length });
    }
  }

  /** True if everything was restored. */
  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** `8192 bytes (4096-12287)` */
  describe(): string {
    const bytes = this.#ranges.reduce((sum, { length }) => sum + length, 0);
    const shown = this.#ranges.slice(0, SHOWN_RANGES).map(({ offset, length }) => `${offset}-${offset + length - 1}`);
    const more = this.#ranges.length - shown.length;
    return `${bytes} bytes (${shown.join(', ')}${more > 0 ? ` and ${more} ranges more` : ''})`;
  }
}

/** What a restore ends with when parts of volumes could not be read. `parts` are phrases like `vda: 8192 bytes (…)`. */
export function damagedError(what: string, parts: readonly string[]): UmbraError {
  const said = `${what} is not complete: damaged in the store are ${parts.join('; ')}`;
  return new UmbraError('STORE_DAMAGED', said, {
    hint: 'All the rest was written. Run "umbra verify" to see what is damaged and which backup heals it, and restore again then.',
  });
}

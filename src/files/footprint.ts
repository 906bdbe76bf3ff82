import type { Location } from '../../mount/blocks/byte-source.js';
import type { VolumeChanges } from './volume-changes.js';

/** Remembered in units of this size: metadata is read in such. */
const UNIT_BYTES = 64 * 1024;
const FIRST_BYTES = 64;

/** Which parts of a machine's volumes something was made from; 2 MiB of memory for each TiB of a volume, at most. */
export class Footprint {
  readonly #volumes = new Map<string, Uint8Array>();
  /** Set when something stood in no volume, as what a journal replaced does: then nobody knows what it was made from. */
  #unknown = false;

  add({ volume, offset, length }: Location): void {
    if (length <= 0) return;
    if (volume === undefined) {
      this.#unknown = true;
      return;
    }
    const last = Math.floor((offset + length - 1) / UNIT_BYTES);
    const bits = this.#grown(volume, last);
    for (let unit = Math.floor(offset / UNIT_BYTES); unit <= last; unit++) {
      bits[unit >>> 3] = (bits[unit >>> 3] ?? 0) | (1 << (unit & 7));
    }
  }

  /** True if what was made from these parts may be another after the changes. */
  isTouchedBy(changes: VolumeChanges): boolean {
    if (this.#unknown) return true;
    if (changes.isEmpty) return false;
    for (const [volume, bits] of this.#volumes) {
      for (const { first, end } of runsOf(bits)) {
        const location = { volume, offset: first * UNIT_BYTES, length: (end - first) * UNIT_BYTES };
        if (changes.touches(location)) return true;
      }
    }
    return false;
  }

  #grown(volume: string, unit: number): Uint8Array {
    const bits = this.#volumes.get(volume);
    const needed = (unit >>> 3) + 1;
    if (bits !== undefined && bits.length >= needed) return bits;
    const grown = new Uint8Array(Math.max(FIRST_BYTES, needed, 2 * (bits?.length ?? 0)));
    if (bits !== undefined) grown.set(bits);
    this.#volumes.set(volume, grown);
    return grown;
  }
}

/** The runs of bits that are set. */
function* runsOf(bits: Uint8Array): Generator<{ readonly first: number; readonly end: number }> {
  let first = -1;
  for (let unit = 0; unit <= bits.length * 8; unit++) {
    const isSet = unit < bits.length * 8 && ((bits[unit >>> 3] ?? 0) & (1 << (unit & 7))) !== 0;
    if (isSet && first < 0) first = unit;
    if (isSet || first < 0) continue;
    yield { first, end: unit };
    first = -1;
  }
}

const UNITS_PER_SLOT = 13;
const MAX_SLOTS = 20;
const LAST = 0x40;
/** Where the 13 code units stand in a slot. */
const UNIT_OFFSETS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30] as const;

/**
 * Puts a long name together from the slots that stand, its end first, before the entry with its short name. Slots that
 * do not belong together, or to the entry that follows, are left out. FAT specification, section 7.
 */
export class LongName {
  readonly #units = Buffer.alloc(MAX_SLOTS * UNITS_PER_SLOT * 2);
  #length = 0;
  #next = 0;
  #checksum = 0;
  /** The slot in which it began. */
  #start = -1;

  /** Take the slot at `at`, the `slot`th of the directory. */
  push(slots: Buffer, at: number, slot: number): void {
    const order = slots.readUInt8(at);
    const checksum = slots.readUInt8(at + 13);
    const number = order & ~LAST;
    if ((order & LAST) !== 0) this.#begin(number, checksum, slot);
    else if (this.#start < 0 || number !== this.#next || checksum !== this.#checksum) this.clear();
    if (this.#start < 0) return;
    this.#next = number - 1;
    for (const [index, offset] of UNIT_OFFSETS.entries()) {
      const unit = slots.readUInt16LE(at + offset);
      this.#units.writeUInt16LE(unit, ((number - 1) * UNITS_PER_SLOT + index) * 2);
    }
  }

  /** The name for an entry whose short name has that checksum, and its first slot; undefined if there is none. */
  take(checksum: number): { readonly name: string; readonly slot: number } | undefined {
    const isWhole = this.#start >= 0 && this.#next === 0 && this.#checksum === checksum;
    const slot = this.#start;
    this.clear();
    if (!isWhole) return undefined;
    const text = this.#units.toString('utf16le', 0, this.#length * UNITS_PER_SLOT * 2);
    const end = text.indexOf('\0');
    return { name: end < 0 ? text : text.slice(0, end), slot };
  }

  /** Forget what was taken. */
  clear(): void {
    this.#start = -1;
  }

  #begin(number: number, checksum: number, slot: number): void {
    this.#start = number >= 1 && number <= MAX_SLOTS ? slot : -1;
    this.#length = number;
    this.#next = number;
    this.#checksum = checksum;
  }
}

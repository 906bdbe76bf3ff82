import { foldName } from '../fat/fold-name.js';

const UNITS = 0x10000;
/** In a compressed table: the next number is how many characters have no capital letter. */
const IDENTITY_RUN = 0xffff;
/** A table has at most a number for each character, and compressed it is no longer than that. */
export const MAX_UPCASE_BYTES = UNITS * 2;

/** The capital letters of a volume. exFAT specification, section 7.2. */
export class UpcaseTable {
  readonly #capitals: Uint16Array | undefined;

  private constructor(capitals: Uint16Array | undefined) {
    this.#capitals = capitals;
  }

  /** The table that stands on the volume, compressed. */
  static parse(bytes: Buffer): UpcaseTable {
    const capitals = Uint16Array.from({ length: UNITS }, (_, unit) => unit);
    let unit = 0;
    for (let at = 0; at + 2 <= bytes.length && unit < UNITS; at += 2) {
      const capital = bytes.readUInt16LE(at);
      if (capital === IDENTITY_RUN && at + 4 <= bytes.length) {
        unit += bytes.readUInt16LE(at + 2);
        at += 2;
      } else capitals[unit++] = capital;
    }
    return new UpcaseTable(capitals);
  }

  /** Unicode's capital letters, where the volume's table is damaged. */
  static standard(): UpcaseTable {
    return new UpcaseTable(undefined);
  }

  /** True if it is the volume's own: only then the hashes of names can be checked. */
  get isOwn(): boolean {
    return this.#capitals !== undefined;
  }

  /** A name as it is compared. */
  fold(name: string): string {
    const capitals = this.#capitals;
    if (capitals === undefined) return foldName(name);
    let folded = '';
    for (let at = 0; at < name.length; at++) folded += String.fromCharCode(capitals[name.charCodeAt(at)] ?? 0);
    return folded;
  }
}

/** The checksum of a table's bytes. exFAT specification, section 7.2.2. */
export function upcaseChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum = (((sum << 31) | (sum >>> 1)) + byte) >>> 0;
  return sum;
}

/**
 * HalfSipHash with 32 bits (Aumasson and Bernstein, "SipHash: a fast short-input PRF", and its reference code): a hash
 * with a secret key, for tables whose keys somebody else chooses.
 */
export class KeyedHash {
  readonly #key0: number;
  readonly #key1: number;
  readonly #rounds: number;
  readonly #lastRounds: number;
  #v0 = 0;
  #v1 = 0;
  #v2 = 0;
  #v3 = 0;

  /**
   * @param key 8 bytes
   * @param rounds a word; with fewer it is faster. 1 and 3 are what is taken for tables in memory.
   */
  constructor(key: Buffer, rounds = 1, lastRounds = 3) {
    this.#key0 = key.readInt32LE(0);
    this.#key1 = key.readInt32LE(4);
    this.#rounds = rounds;
    this.#lastRounds = lastRounds;
  }

  /** Of the first `length` bytes; a signed number of 32 bits. */
  of(bytes: Buffer, length: number): number {
    this.#v0 = this.#key0;
    this.#v1 = this.#key1;
    this.#v2 = this.#key0 ^ 0x6c796765;
    this.#v3 = this.#key1 ^ 0x74656462;
    const end = length - (length % 4);
    for (let at = 0; at < end; at += 4) this.#word(bytes.readInt32LE(at));
    let last = length << 24;
    for (let at = end; at < length; at++) last |= (bytes[at] ?? 0) << (8 * (at - end));
    this.#word(last);
    this.#v2 ^= 0xff;
    this.#mix(this.#lastRounds);
    return this.#v1 ^ this.#v3;
  }

  #word(word: number): void {
    this.#v3 ^= word;
    this.#mix(this.#rounds);
    this.#v0 ^= word;
  }

  #mix(rounds: number): void {
    let [v0, v1, v2, v3] = [this.#v0, this.#v1, this.#v2, this.#v3];
    for (let round = 0; round < rounds; round++) {
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
    }
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

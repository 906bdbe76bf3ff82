/** Writes bits into 16-bit words, the highest first, as XPRESS and LZX have them. */
export class BitWriter {
  #bits = '';

  bits(value: number, count: number): this {
    if (count > 0) this.#bits += value.toString(2).padStart(count, '0');
    return this;
  }

  /** The words; the last is filled up with zeros. */
  words(): Buffer {
    const words = Math.ceil(this.#bits.length / 16);
    const bytes = Buffer.alloc(2 * words);
    const padded = this.#bits.padEnd(16 * words, '0');
    for (let word = 0; word < words; word++) {
      bytes.writeUInt16LE(parseInt(padded.slice(16 * word, 16 * word + 16), 2), 2 * word);
    }
    return bytes;
  }
}

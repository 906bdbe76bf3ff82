import { damaged } from './numbers.js';

/** How far back a match of each kind reaches at most, as the format fixes it. */
const M2_REACH = 0x0800;
const M3_REACH = 0x4000;

const broken = (): Error => damaged('LZO data makes no sense');

/**
 * Decompress one LZO1X stream (the kernel's Documentation/staging/lzo.rst describes it) into the start of `target`.
 * Neither side is ever left: what would is damage.
 * @returns how many bytes it made
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function lzo1xInto(target: Uint8Array, source: Uint8Array): number {
  return new Lzo(target, source).run();
}

class Lzo {
  readonly #target: Uint8Array;
  readonly #source: Uint8Array;
  #in = 0;
  #out = 0;

  constructor(target: Uint8Array, source: Uint8Array) {
    this.#target = target;
    this.#source = source;
  }

  run(): number {
    // How many literals came before the next instruction: 0, 1 to 3 after a match, 4 for a long run of them.
    let before = this.#first();
    for (;;) {
      const code = this.#byte();
      if (code >= 64) before = this.#shortMatch(code);
      else if (code >= 32) before = this.#match(this.#length(code & 31, 31) + 2, 1);
      else if (code >= 16) {
        const far = M3_REACH + ((code & 8) << 11);
        const length = this.#length(code & 7, 7) + 2;
        const last = this.#peekDistance() + far;
        if (last === M3_REACH) return this.#end(length);
        before = this.#match(length, far);
      } else if (before === 0) {
        this.#literals(this.#length(code, 15) + 3);
        before = 4;
      } else before = this.#tinyMatch(code, before === 4);
    }
  }

  /** The first byte may stand for literals. */
  #first(): number {
    const code = this.#source[0] ?? 0;
    if (code <= 17) return 0;
    this.#in = 1;
    const count = code - 17;
    this.#literals(count);
    return count < 4 ? count : 4;
  }

  /** Codes from 64: three to eight bytes from near. */
  #shortMatch(code: number): number {
    const distance = (this.#byte() << 3) + ((code >>> 2) & 7) + 1;
    this.#copy(distance, (code >>> 5) + 1);
    return this.#trailing(code & 3);
  }

  /** Two bytes after up to three literals, three from further back after more. */
  #tinyMatch(code: number, afterMany: boolean): number {
    const near = (this.#byte() << 2) + (code >>> 2) + 1;
    if (afterMany) this.#copy(near + M2_REACH, 3);
    else this.#copy(near, 2);
    return this.#trailing(code & 3);
  }

  /** A match whose distance stands in the next two bytes. */
  #match(length: number, base: number): number {
    const distance = this.#peekDistance() + base;
    const count = (this.#source[this.#in] ?? 0) & 3;
    this.#in += 2;
    this.#copy(distance, length);
    return this.#trailing(count);
  }

  #peekDistance(): number {
    if (this.#in + 2 > this.#source.length) throw broken();
    return ((this.#source[this.#in] ?? 0) | ((this.#source[this.#in + 1] ?? 0) << 8)) >>> 2;
  }

  #end(length: number): number {
    if (length !== 3) throw broken();
    return this.#out;
  }

  /** The literals that follow a match. */
  #trailing(count: number): number {
    this.#literals(count);
    return count;
  }

  #byte(): number {
    const byte = this.#source[this.#in++];
    if (byte === undefined) throw broken();
    return byte;
  }

  /** A length: what the code has of it, or, if that is 0, `base` and 255 for each zero byte and the byte after them. */
  #length(inCode: number, base: number): number {
    if (inCode !== 0) return inCode;
    let length = base;
    let byte = this.#byte();
    for (; byte === 0; byte = this.#byte()) length += 255;
    return length + byte;
  }

  #literals(count: number): void {
    if (this.#in + count > this.#source.length || this.#out + count > this.#target.length) throw broken();
    this.#target.set(this.#source.subarray(this.#in, this.#in + count), this.#out);
    this.#in += count;
    this.#out += count;
  }

  /** Bytes from before, which may be those that are just being made. */
  #copy(distance: number, length: number): void {
    const target = this.#target;
    if (distance > this.#out || this.#out + length > target.length) throw broken();
    for (let left = length; left > 0; left--, this.#out++) target[this.#out] = target[this.#out - distance] ?? 0;
  }
}

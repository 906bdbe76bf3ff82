import { damaged } from './parse.js';

/** A hole's place. */
export const HOLE = -1;

/** More runs than Windows allows a file to have: its list of attributes ends at 256 KiB. */
const MAX_RUNS = 2_000_000;

/** Consecutive clusters of a stream: `length` from cluster `lcn` of the volume, or a hole. */
export interface Run {
  readonly vcn: number;
  readonly length: number;
  readonly lcn: number;
}

/** Where the clusters of a stream stand on the volume, in order and without gaps. */
export class RunList {
  readonly #clusters: number;
  readonly #vcns: number[] = [];
  readonly #lcns: number[] = [];
  #end = 0;

  /** @param clusters of the volume: no run may reach beyond them */
  constructor(clusters: number) {
    this.#clusters = clusters;
  }

  /** How many clusters it covers. */
  get clusters(): number {
    return this.#end;
  }

  get size(): number {
    return this.#vcns.length;
  }

  /** The run of that index. */
  at(index: number): Run {
    const vcn = this.#vcns[index] ?? this.#end;
    return { vcn, length: (this.#vcns[index + 1] ?? this.#end) - vcn, lcn: this.#lcns[index] ?? HOLE };
  }

  /** The index of the run with that cluster; `size` beyond the end. */
  find(vcn: number): number {
    if (vcn >= this.#end) return this.#vcns.length;
    let low = 0;
    let high = this.#vcns.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#vcns[middle] ?? 0) <= vcn) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /**
   * Append the "mapping pairs" of one attribute record: a byte with two lengths, then that many bytes of a length and
   * of a difference to the last place, until a zero.
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  append(pairs: Buffer): void {
    let lcn = 0;
    for (let at = 0; at < pairs.length && pairs[at] !== 0;) {
      const header = pairs[at] ?? 0;
      const lengthBytes = header & 0x0f;
      const placeBytes = header >> 4;
      if (lengthBytes === 0 || lengthBytes > 8 || placeBytes > 8) throw damaged('a list of runs makes no sense');
      if (at + 1 + lengthBytes + placeBytes > pairs.length) throw damaged('a list of runs is cut off');
      const length = signed(pairs, at + 1, lengthBytes);
      if (placeBytes > 0) lcn += signed(pairs, at + 1 + lengthBytes, placeBytes);
      this.#push(length, placeBytes === 0 ? HOLE : lcn);
      at += 1 + lengthBytes + placeBytes;
    }
  }

  #push(length: number, lcn: number): void {
    if (length <= 0 || !Number.isSafeInteger(this.#end + length)) throw damaged(`a run has ${length} clusters`);
    if (lcn !== HOLE && (lcn < 0 || lcn + length > this.#clusters)) {
      throw damaged(`a run of ${length} clusters at ${lcn} lies outside of the volume's ${this.#clusters}`);
    }
    const last = this.#vcns.length - 1;
    const lastLcn = this.#lcns[last];
    const continues = lastLcn === HOLE ? lcn === HOLE : lastLcn !== undefined && this.#follows(last, lcn);
    if (!continues) {
      if (last + 1 >= MAX_RUNS) throw damaged(`a file has more than ${MAX_RUNS} runs`);
      this.#vcns.push(this.#end);
      this.#lcns.push(lcn);
    }
    this.#end += length;
  }

  #follows(index: number, lcn: number): boolean {
    return lcn !== HOLE && (this.#lcns[index] ?? 0) + (this.#end - (this.#vcns[index] ?? 0)) === lcn;
  }
}

/** A signed number of up to eight bytes, exact as far as it matters: what is too large stays too large. */
function signed(bytes: Buffer, offset: number, length: number): number {
  if (length <= 6) return bytes.readIntLE(offset, length);
  return bytes.readUIntLE(offset, 6) + bytes.readIntLE(offset + 6, length - 6) * 2 ** 48;
}

/**
 * The hashes of names by which directories are indexed, as fs/ext4/hash.c has them.
 * @module
 */

/** What a hash depends on beside the name. */
export interface HashRules {
  /** s_hash_seed; all zeros stand for the default. */
  readonly seed: readonly [number, number, number, number];
  /** 0 legacy, 1 half MD4, 2 TEA; 3 to 5 are the same with unsigned bytes. */
  readonly version: number;
}

/** The hash and the minor hash of a name. */
export type NameHash = readonly [number, number];

const DEFAULT_SEED = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const;
/** Would be taken for the end of a directory. */
const END_HASH = 0xfffffffe;

/** The hash of a name; undefined for a kind of hash that is not known, or needs a key. */
export function hashOfName(name: Uint8Array, { seed, version }: HashRules): NameHash | undefined {
  const isSigned = version < 3;
  const start = seed.some((word) => word !== 0) ? seed : DEFAULT_SEED;
  const kind = isSigned ? version : version - 3;
  if (kind === 0) return finish(legacyHash(name, isSigned), 0);
  if (kind === 1) {
    const [, major, minor] = digest(name, start, isSigned, 32, halfMd4);
    return finish(major, minor);
  }
  if (kind === 2) {
    const [major, minor] = digest(name, start, isSigned, 16, tea);
    return finish(major, minor);
  }
  return undefined;
}

type State = [number, number, number, number];

function finish(hash: number, minor: number): NameHash {
  const even = (hash & ~1) >>> 0;
  return [even === END_HASH ? END_HASH - 2 : even, minor >>> 0];
}

function byteAt(name: Uint8Array, at: number, isSigned: boolean): number {
  const byte = name[at] ?? 0;
  return isSigned ? (byte << 24) >> 24 : byte;
}

function legacyHash(name: Uint8Array, isSigned: boolean): number {
  let hash0 = 0x12a3fe2d;
  let hash1 = 0x37abe8f9;
  for (let at = 0; at < name.length; at++) {
    let hash = (hash1 + (hash0 ^ Math.imul(byteAt(name, at, isSigned), 7152373))) >>> 0;
    if (hash >= 2 ** 31) hash -= 0x7fffffff;
    hash1 = hash0;
    hash0 = hash;
  }
  return hash0 << 1;
}

function digest(
  name: Uint8Array,
  seed: readonly [number, number, number, number],
  isSigned: boolean,
  pieceBytes: number,
  mix: (state: State, words: Int32Array) => void,
): State {
  const state: State = [...seed];
  for (let at = 0; at < name.length; at += pieceBytes) mix(state, wordsOf(name.subarray(at), isSigned, pieceBytes / 4));
  return state;
}

/** The next words of a name, filled up with its length. */
function wordsOf(name: Uint8Array, isSigned: boolean, count: number): Int32Array {
  const twice = name.length | (name.length << 8);
  const pad = twice | (twice << 16);
  const words = new Int32Array(count).fill(pad);
  const length = Math.min(name.length, 4 * count);
  for (let at = 0; at < length; at++) {
    const index = at >>> 2;
    words[index] = byteAt(name, at, isSigned) + ((at % 4 === 0 ? pad : (words[index] ?? 0)) << 8);
  }
  return words;
}

function tea(state: State, words: Int32Array): void {
  const [a = 0, b = 0, c = 0, d = 0] = words;
  let [b0, b1] = state;
  let sum = 0;
  for (let round = 0; round < 16; round++) {
    sum = (sum + 0x9e3779b9) | 0;
    b0 = (b0 + (((b1 << 4) + a) ^ (b1 + sum) ^ ((b1 >>> 5) + b))) | 0;
    b1 = (b1 + (((b0 << 4) + c) ^ (b0 + sum) ^ ((b0 >>> 5) + d))) | 0;
  }
  state[0] = (state[0] + b0) | 0;
  state[1] = (state[1] + b1) | 0;
}

interface Round {
  readonly mix: (x: number, y: number, z: number) => number;
  readonly constant: number;
  readonly order: readonly number[];
  readonly shifts: readonly number[];
}

const ROUNDS: readonly Round[] = [
  {
    mix: (x, y, z) => z ^ (x & (y ^ z)),
    constant: 0,
    order: [0, 1, 2, 3, 4, 5, 6, 7],
    shifts: [3, 7, 11, 19],
  },
  {
    mix: (x, y, z) => ((x & y) + ((x ^ y) & z)) | 0,
    constant: 0x5a827999,
    order: [1, 3, 5, 7, 0, 2, 4, 6],
    shifts: [3, 5, 9, 13],
  },
  {
    mix: (x, y, z) => x ^ y ^ z,
    constant: 0x6ed9eba1,
    order: [3, 7, 2, 6, 1, 5, 0, 4],
    shifts: [3, 9, 11, 15],
  },
];

function halfMd4(state: State, words: Int32Array): void {
  let [a, b, c, d] = state;
  for (const { mix, constant, order, shifts } of ROUNDS) {
    order.forEach((word, step) => {
      const shift = shifts[step % 4] ?? 0;
      const sum = (a + mix(b, c, d) + (words[word] ?? 0) + constant) | 0;
      [a, b, c, d] = [d, (sum << shift) | (sum >>> (32 - shift)), b, c];
    });
  }
  state[0] = (state[0] + a) | 0;
  state[1] = (state[1] + b) | 0;
  state[2] = (state[2] + c) | 0;
  state[3] = (state[3] + d) | 0;
}

/** BLAKE2b with 32 bytes of digest (RFC 7693): node:crypto has the one of 64 bytes only. 64-bit words are two halves. */

const IV = new Uint32Array([
  0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a, 0xade682d1,
  0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19,
]);

const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
] as const;

const BLOCK_BYTES = 128;
const DIGEST_BYTES = 32;

const state = new Uint32Array(32);
const message = new Uint32Array(32);

/** The BLAKE2b-256 digest of `bytes`. */
export function blake2b256(bytes: Uint8Array): Buffer {
  const hash = new Uint32Array(IV);
  hash[0] = (hash[0] ?? 0) ^ 0x01010000 ^ DIGEST_BYTES;
  const block = Buffer.alloc(BLOCK_BYTES);
  let at = 0;
  for (; bytes.length - at > BLOCK_BYTES; at += BLOCK_BYTES) {
    block.set(bytes.subarray(at, at + BLOCK_BYTES));
    compress(hash, block, at + BLOCK_BYTES, false);
  }
  block.fill(0);
  block.set(bytes.subarray(at));
  compress(hash, block, bytes.length, true);
  const digest = Buffer.alloc(DIGEST_BYTES);
  for (let word = 0; word < DIGEST_BYTES / 4; word++) digest.writeUInt32LE(hash[word] ?? 0, word * 4);
  return digest;
}

function compress(hash: Uint32Array, block: Buffer, countBytes: number, last: boolean): void {
  const v = state;
  for (let word = 0; word < 32; word++) message[word] = block.readUInt32LE(word * 4);
  v.set(hash);
  v.set(IV, 16);
  v[24] = (v[24] ?? 0) ^ countBytes;
  v[25] = (v[25] ?? 0) ^ Math.floor(countBytes / 2 ** 32);
  if (last) {
    v[28] = ~(v[28] ?? 0);
    v[29] = ~(v[29] ?? 0);
  }
  for (const s of SIGMA) {
    mix(0, 4, 8, 12, s[0], s[1]);
    mix(1, 5, 9, 13, s[2], s[3]);
    mix(2, 6, 10, 14, s[4], s[5]);
    mix(3, 7, 11, 15, s[6], s[7]);
    mix(0, 5, 10, 15, s[8], s[9]);
    mix(1, 6, 11, 12, s[10], s[11]);
    mix(2, 7, 8, 13, s[12], s[13]);
    mix(3, 4, 9, 14, s[14], s[15]);
  }
  for (let word = 0; word < 16; word++) hash[word] = (hash[word] ?? 0) ^ (v[word] ?? 0) ^ (v[word + 16] ?? 0);
}

function mix(a: number, b: number, c: number, d: number, x: number, y: number): void {
  addMessage(a, b, x);
  rotate(d, a, 32);
  add(c, d);
  rotate(b, c, 24);
  addMessage(a, b, y);
  rotate(d, a, 16);
  add(c, d);
  rotate(b, c, 63);
}

/** v[a] += v[b] */
function add(a: number, b: number): void {
  const low = (state[2 * a] ?? 0) + (state[2 * b] ?? 0);
  state[2 * a + 1] = (state[2 * a + 1] ?? 0) + (state[2 * b + 1] ?? 0) + (low >= 2 ** 32 ? 1 : 0);
  state[2 * a] = low;
}

/** v[a] += v[b] + m[x] */
function addMessage(a: number, b: number, x: number): void {
  const low = (state[2 * a] ?? 0) + (state[2 * b] ?? 0) + (message[2 * x] ?? 0);
  state[2 * a + 1] =
    (state[2 * a + 1] ?? 0) +
    (state[2 * b + 1] ?? 0) +
    (message[2 * x + 1] ?? 0) +
    (low >= 2 ** 33 ? 2 : low >= 2 ** 32 ? 1 : 0);
  state[2 * a] = low;
}

/** v[a] = (v[a] ^ v[b]) rotated right by `bits` */
function rotate(a: number, b: number, bits: 16 | 24 | 32 | 63): void {
  const low = (state[2 * a] ?? 0) ^ (state[2 * b] ?? 0);
  const high = (state[2 * a + 1] ?? 0) ^ (state[2 * b + 1] ?? 0);
  if (bits === 32) {
    state[2 * a] = high;
    state[2 * a + 1] = low;
  } else if (bits === 63) {
    state[2 * a] = (low << 1) | (high >>> 31);
    state[2 * a + 1] = (high << 1) | (low >>> 31);
  } else {
    state[2 * a] = (low >>> bits) | (high << (32 - bits));
    state[2 * a + 1] = (high >>> bits) | (low << (32 - bits));
  }
}

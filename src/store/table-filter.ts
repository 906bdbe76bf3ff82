/** What LevelDB's metaindex calls its Bloom filter. */
export const FILTER_KEY = 'filter.leveldb.BuiltinBloomFilter2';

const WORD_BYTES = 4;
const HASH_SEED = 0xbc9f1d34;
const HASH_FACTOR = 0xc6a4a793;
/** More probes are reserved for other kinds of filter. */
const MOST_PROBES = 30;

/**
 * The filter of a table: it says of nearly every key that is not in a block that it is not. LevelDB uses it to read less;
 * here it tells a key that is damaged from one that was written.
 */
export class TableFilter {
  readonly #bytes: Buffer;
  readonly #offsets: number;

  /** @param bytes of a filter block whose checksum is right */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#offsets = bytes.length < WORD_BYTES + 1 ? 0 : bytes.readUInt32LE(bytes.length - WORD_BYTES - 1);
  }

  /** False if no block that begins at `offset` has the key; a filter that makes no sense says nothing. */
  mayHave(offset: number, userKey: Buffer): boolean {
    const exponent = this.#bytes.at(-1) ?? 0;
    const at = this.#offsets + WORD_BYTES * Math.floor(offset / 2 ** exponent);
    // One offset more stands behind the last filter's: where the offsets begin.
    if (at + 2 * WORD_BYTES > this.#bytes.length - 1) return true;
    const [from, to] = [this.#bytes.readUInt32LE(at), this.#bytes.readUInt32LE(at + WORD_BYTES)];
    if (from > to || to > this.#offsets) return true;
    return mayMatch(this.#bytes.subarray(from, to), userKey);
  }
}

function mayMatch(filter: Buffer, key: Buffer): boolean {
  if (filter.length < 2) return false;
  const bits = (filter.length - 1) * 8;
  const probes = filter.at(-1) ?? 0;
  if (probes > MOST_PROBES) return true;
  let hash = hashOf(key);
  const delta = ((hash >>> 17) | (hash << 15)) >>> 0;
  for (let probe = 0; probe < probes; probe++) {
    const bit = hash % bits;
    if (((filter[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
    hash = (hash + delta) >>> 0;
  }
  return true;
}

function hashOf(key: Buffer): number {
  let hash = (HASH_SEED ^ Math.imul(key.length, HASH_FACTOR)) >>> 0;
  let at = 0;
  for (; at + WORD_BYTES <= key.length; at += WORD_BYTES) {
    hash = Math.imul((hash + key.readUInt32LE(at)) | 0, HASH_FACTOR) >>> 0;
    hash = (hash ^ (hash >>> 16)) >>> 0;
  }
  if (at === key.length) return hash;
  hash = Math.imul((hash + key.readUIntLE(at, key.length - at)) | 0, HASH_FACTOR) >>> 0;
  return (hash ^ (hash >>> 24)) >>> 0;
}

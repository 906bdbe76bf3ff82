/**
 * Every magic, type number, key prefix, limit and version of the store's formats. They are frozen:
 * a change here is a new format version.
 */

/** Version of the whole store; a store with a higher one is refused. */
export const FORMAT_VERSION = 2;

/** What the `format` file of a store names as its product. */
export const PRODUCT = 'umbra';

/** Bytes in a block: the unit of cutting and of holes. */
export const BLOCK_BYTES = 4096;

/** Bytes in a region: what one leaf of a volume tree describes. */
export const REGION_BYTES = 4 * 1024 * 1024;

export const BLOCKS_PER_REGION = REGION_BYTES / BLOCK_BYTES;

/** Bytes in a digest (BLAKE3-256). */
export const DIGEST_BYTES = 32;

/** Children of an inner node of a volume tree. */
export const FANOUT = 256;

/** Objects of the store; the number stands in frames and index keys. */
export const ObjectType = {
  /** A run of blocks of a volume. */
  chunk: 1,
  /** A leaf of a volume tree. */
  leaf: 2,
  /** An inner node of a volume tree. */
  inner: 3,
  /** A shadow copy's record. */
  record: 4,
  /** Says that a shadow copy's record was deleted. */
  tombstone: 5,
  /** A copy of the format record, for rebuilding. */
  settings: 6,
} as const;

export type ObjectType = (typeof ObjectType)[keyof typeof ObjectType];

/** How a frame's body is compressed. */
export const Codec = { none: 0, zstd: 1, lz4: 2 } as const;

export type Codec = (typeof Codec)[keyof typeof Codec];

/**
 * A frame is the value of an object in `objects` (numbers are little-endian):
 * `0` xxHash64 of everything after it, `8` magic, `12` version, `13` object type, `14` codec, `15` zero,
 * `16` digest, `48` plain length, `52` body length, `56` body.
 */
export const FRAME = { magic: 0x4f424d55, version: 1, headerBytes: 56 } as const;

/**
 * A sealed frame is the value of an object in `objects` of an encrypted store (numbers are little-endian):
 * `0` xxHash64 of everything after it, `8` magic, `12` version, `13` object type, `14` cipher, `15` zero,
 * `16` keyed name, `48` salt, `72` ciphertext of a frame with zeros behind it, and a tag of 16 bytes.
 * See {@link FrameSeal} for the key.
 */
export const SEALED_FRAME = { version: 2, nameAt: 16, saltAt: 48, saltBytes: 24, headerBytes: 72 } as const;

/** The number of a cipher in a sealed frame. */
export const CipherNumber = { 'aes-256-gcm': 1, 'chacha20-poly1305': 2 } as const;

/** The longest plain object: bounds what a damaged length can make us allocate. */
export const MAX_OBJECT_BYTES = 64 * 1024 * 1024;

/** First byte of the keys in `meta`. */
export const MetaPrefix = {
  /** `d` type digest → sequence number. */
  digest: 0x64,
  /** `s` sequence number → type, digest, plain and stored length. */
  sequence: 0x73,
  /** `c` machine NUL shadow copy → catalog entry. */
  catalog: 0x63,
  /** `r` machine → the entry of its replica. */
  replica: 0x72,
  /** `q` type digest → what is known of a damaged object. */
  quarantine: 0x71,
  /** `t` → how much time has certainly passed. */
  trustedTime: 0x74,
  /** `h` → high-water mark of sequence numbers. */
  highWater: 0x68,
  /** `f` → the store's id, so that the two databases are known to belong together. */
  store: 0x66,
  /** `j` number → a job. */
  job: 0x6a,
  /** `p` machine → since when it is planned for. */
  planned: 0x70,
  /** `a` number → an alert. */
  alert: 0x61,
  /** `n` channel → what it was told; `n` channel NUL → the message that it is told. */
  channel: 0x6e,
  /** `v` number of a segment → when its objects were read last. */
  scrub: 0x76,
  /** `b` machine NUL sequence number of a record → how much of the machine's data had changed. */
  change: 0x62,
} as const;

/** Volume tree nodes: first byte, and the version in the second. */
export const NODE = { leaf: 0x4c, inner: 0x49, version: 1 } as const;

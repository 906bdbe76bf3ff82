import xxhash from 'xxhash-wasm';

const api = await xxhash();

/** xxHash64 of `bytes`. For cutting and checksums only: it is not collision-resistant. */
export function xxh64(bytes: Uint8Array, seed = 0n): bigint {
  return api.h64Raw(bytes, seed);
}

/** xxHash32 of `bytes`, for the checksums of small records. */
export function xxh32(bytes: Uint8Array, seed = 0): number {
  return api.h32Raw(bytes, seed) >>> 0;
}

const NS_PER_SECOND = 1_000_000_000n;

/**
 * A time in nanoseconds since 1970, as ext4_decode_extra_time() has it: the seconds are signed, two bits of the extra
 * field carry them beyond 2038, the rest of it are nanoseconds.
 */
export function timeNs(seconds: number, extra: number | undefined): bigint {
  if (extra === undefined) return BigInt(seconds) * NS_PER_SECOND;
  return BigInt(seconds + (extra & 3) * 2 ** 32) * NS_PER_SECOND + BigInt(extra >>> 2);
}

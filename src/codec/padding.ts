/**
 * The length that `bytes` are padded to, so that a length says little: Padmé (Nikitin et al., "Reducing Metadata Leakage from
 * Encrypted Files and Communication with PURBs", 2019, algorithm 1). At most 12 % more, for lengths of chunks at most 6 %, and as
 * many different lengths as a floating-point number with a mantissa of log log `bytes` bits has.
 */
export function paddedLength(bytes: number): number {
  if (bytes < 2) return bytes;
  const exponent = Math.floor(Math.log2(bytes));
  const mantissaBits = Math.floor(Math.log2(exponent)) + 1;
  const unit = 2 ** Math.max(0, exponent - mantissaBits);
  return Math.ceil(bytes / unit) * unit;
}

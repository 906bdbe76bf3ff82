/** The middle of `values`, the mean of the two middle ones for an even count; undefined for none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const upper = sorted[Math.floor(half)];
  const lower = sorted[Math.ceil(half) - 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

/** Which of two figures of a scenario is the good one. */
export type Better = 'lower' | 'higher';

/**
 * How many times better `ours` is than `theirs`: above 1 is in our favour, whichever direction is the
 * good one. Undefined when either is missing or the quotient says nothing (a division by zero).
 */
export function advantage(ours: number | undefined, theirs: number | undefined, better: Better): number | undefined {
  if (ours === undefined || theirs === undefined) return undefined;
  const ratio = better === 'lower' ? theirs / ours : ours / theirs;
  return Number.isFinite(ratio) ? ratio : undefined;
}

/**
 * When the data of a machine has suddenly changed much more than it usually does, as when a program encrypts it. Pure: amounts in, a
 * verdict out.
 */

/** How much is too much; `off` never is. */
export const SENSITIVITIES = ['off', 'low', 'normal', 'high'] as const;
export type Sensitivity = (typeof SENSITIVITIES)[number];

/** What is compared: all that changed, and what of it does not compress. */
export const CHANGE_KINDS = ['changed', 'incompressible'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** How one shadow copy of a machine differs from the one before; in bytes of chunks, holes left out. */
export interface Change {
  /** Since the one before was made. */
  readonly elapsedMs: number;
  /** What the volumes had in the one before. */
  readonly comparedBytes: number;
  readonly changedBytes: number;
  /** Of those, the bytes of chunks that hardly shrink. */
  readonly incompressibleBytes: number;
}

/** Too much has changed. */
export interface SuddenChange {
  readonly kind: ChangeKind;
  readonly bytes: number;
  /** The median of those before. */
  readonly usualBytes: number;
  /** More than this is too much. */
  readonly mostBytes: number;
}

/** With fewer to compare with, nothing is usual. */
export const LEAST_HISTORY = 5;
/** Less is never too much: a small machine rewrites as much at every boot. */
export const LEAST_BYTES = 32 * 1024 * 1024;
/** Shares are of no more than this, so that a large archive does not hide what happens beside it. */
const MOST_COMPARED_BYTES = 400 * 1024 ** 3;
/** The median absolute deviation as a standard deviation, if it is a normal distribution. */
const MAD_TO_DEVIATION = 1.4826;
/** What changes by the same amount each time deviates by nothing: so much of the median is taken at least. */
const LEAST_DEVIATION = 0.25;
/** What has come twice already may come once more, and half as much again: a weekly job is no rise. */
const ABOVE_KNOWN = 1.5;

interface Limits {
  /** So many deviations above the median are usual. */
  readonly deviations: number;
  /** Less of the data than this share is never too much. */
  readonly share: Readonly<Record<ChangeKind, number>>;
}

const LIMITS: Readonly<Record<Exclude<Sensitivity, 'off'>, Limits>> = {
  low: { deviations: 12, share: { changed: 0.5, incompressible: 0.2 } },
  normal: { deviations: 8, share: { changed: 0.25, incompressible: 0.05 } },
  high: { deviations: 5, share: { changed: 0.1, incompressible: 0.02 } },
};

/**
 * Whether too much has changed. What took longer than the usual time may have changed as much more.
 * @param history those before that are usual, in any order
 */
export function suddenChange(
  history: readonly Change[],
  change: Change,
  sensitivity: Sensitivity,
): SuddenChange | undefined {
  if (sensitivity === 'off' || history.length < LEAST_HISTORY) return undefined;
  const limits = LIMITS[sensitivity];
  const usualMs = Math.max(1, median(history.map(({ elapsedMs }) => elapsedMs)));
  const times = (elapsedMs: number): number => Math.max(1, elapsedMs / usualMs);
  const compared = Math.min(change.comparedBytes, MOST_COMPARED_BYTES);
  for (const kind of CHANGE_KINDS) {
    const amounts = history.map((each) => bytesOf(each, kind) / times(each.elapsedMs));
    const usual = median(amounts);
    const expected = Math.max(usual + limits.deviations * deviation(amounts, usual), ABOVE_KNOWN * secondOf(amounts));
    const most = Math.max(LEAST_BYTES, limits.share[kind] * compared, expected * times(change.elapsedMs));
    const bytes = bytesOf(change, kind);
    if (bytes > most) return { kind, bytes, usualBytes: Math.round(usual), mostBytes: Math.round(most) };
  }
  return undefined;
}

function bytesOf(change: Change, kind: ChangeKind): number {
  return kind === 'changed' ? change.changedBytes : change.incompressibleBytes;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

function deviation(values: readonly number[], middle: number): number {
  const absolute = median(values.map((value) => Math.abs(value - middle)));
  return Math.max(MAD_TO_DEVIATION * absolute, LEAST_DEVIATION * middle);
}

/** The second largest: one that came once may have been a rise itself. */
function secondOf(values: readonly number[]): number {
  return values.toSorted((a, b) => b - a)[1] ?? 0;
}

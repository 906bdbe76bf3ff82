/** A figure at a place on an axis; both are above 0. */
export interface FitPoint {
  readonly x: number;
  readonly y: number;
}

/** How something grows: y is about x to the power of this. */
export interface Exponents {
  /** Of the straight line through all points, by least squares of the logarithms. */
  readonly all: number;
  /** Between the last two points: what is constant at first hides growth in the line through all. */
  readonly end: number;
}

/** @returns undefined for fewer than two points that lie apart */
export function fitExponents(points: readonly FitPoint[]): Exponents | undefined {
  const logs = points.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }));
  const all = slope(logs);
  const end = slope(logs.slice(-2));
  return all === undefined || end === undefined ? undefined : { all, end };
}

function slope(points: readonly FitPoint[]): number | undefined {
  const meanX = mean(points.map(({ x }) => x));
  const meanY = mean(points.map(({ y }) => y));
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  if (spread === 0) return undefined;
  return points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

export type Verdict = 'flat' | 'as it may' | 'GROWS';

/** What measuring the same again differs by on a busy machine, over one power of ten: a factor of 1.6. */
const TOLERANCE = 0.2;

/**
 * Whether something grows that may not, or faster than in proportion.
 * @param leastRise by how much the last figure must be above all others: less can't be told from noise
 */
export function verdictOf(points: readonly FitPoint[], may: boolean, leastRise: number): Verdict {
  const exponents = fitExponents(points);
  const rise = (points.at(-1)?.y ?? 0) - Math.max(...points.slice(0, -1).map(({ y }) => y));
  if (exponents === undefined || rise < leastRise) return 'flat';
  const steepest = Math.max(exponents.all, exponents.end);
  if (steepest <= TOLERANCE) return 'flat';
  return may && steepest <= 1 + TOLERANCE ? 'as it may' : 'GROWS';
}

import { formatFigure, formatTable } from '../table.js';
import { fitExponents, verdictOf, type Verdict } from './fit.js';
import { AXES, operationOf, type Axis } from './operations.js';
import { METRICS, type GrowthSamples, type Metric, type Series } from './samples.js';

const AXIS_NAMES = Object.keys(AXES) as Axis[];
/** How long something takes is judged by the processors' time: others that run on this machine make the other longer. */
const JUDGED: readonly Metric[] = ['processSeconds', 'peakBytes'];

export interface Judged {
  readonly series: Series;
  readonly verdict: Verdict;
}

/** Everything that is judged. */
export function judge(samples: GrowthSamples): Judged[] {
  return JUDGED.flatMap((metric) =>
    AXIS_NAMES.flatMap((axis) => samples.series(axis, metric).map((series) => ({ series, verdict: verdict(series) }))),
  );
}

function verdict({ operation, metric, axis, points }: Series): Verdict {
  // Memory that grows is only as it may be where it is what the answer is made of.
  return verdictOf(points, operationOf(operation).mayGrowWith.includes(axis), METRICS[metric].leastRise);
}

/** A table for each axis and figure, with exponents and verdicts. */
export function formatGrowth(samples: GrowthSamples): string {
  return AXIS_NAMES.flatMap((axis) =>
    (Object.keys(METRICS) as Metric[]).flatMap((metric) => {
      const all = samples.series(axis, metric);
      return all.length === 0 ? [] : [formatTable(tableOf(axis, metric, all))];
    }),
  ).join('\n');
}

function tableOf(axis: Axis, metric: Metric, all: readonly Series[]): string[][] {
  const places = [...new Set(all.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const isJudged = JUDGED.includes(metric);
  const head = [`${METRICS[metric].title}, by ${AXES[axis]}`, ...places.map(String), 'exponent', 'at the end'];
  return [
    [...head, ...(isJudged ? ['may grow', ''] : [])],
    ...all.map((series) => [
      ...rowOf(series, places),
      ...(isJudged ? [operationOf(series.operation).mayGrowWith.includes(axis) ? 'yes' : 'no', verdict(series)] : []),
    ]),
  ];
}

function rowOf({ operation, metric, points }: Series, places: readonly number[]): string[] {
  const exponents = fitExponents(points);
  const at = (place: number): number | undefined => points.find(({ x }) => x === place)?.y;
  return [
    operationOf(operation).title,
    ...places.map((place) => {
      const y = at(place);
      return formatFigure(y === undefined ? undefined : y / METRICS[metric].perUnit);
    }),
    exponents?.all.toFixed(2) ?? '-',
    exponents?.end.toFixed(2) ?? '-',
  ];
}

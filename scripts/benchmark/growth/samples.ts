import { median } from '../statistics.js';
import type { FitPoint } from './fit.js';
import { OPERATION_NAMES, operationOf, type Axis, type OperationName } from './operations.js';

/** Where something was measured. */
export interface GrowthPoint {
  readonly copies: number;
  readonly gib: number;
  readonly machines: number;
}

/** What doing something once took. */
export interface Cost {
  readonly seconds: number;
  /** Of the processors, for the server, and for the agent where one sends. */
  readonly processSeconds: number;
  /** The most anonymous memory that the server had meanwhile. */
  readonly peakBytes: number;
}

export const METRICS = {
  processSeconds: { title: 'ms of the processors', perUnit: 1e-3, leastRise: 2e-3 },
  seconds: { title: 'ms', perUnit: 1e-3, leastRise: 5e-3 },
  peakBytes: { title: "server's RssAnon at most, MB", perUnit: 1e6, leastRise: 16e6 },
} as const;
export type Metric = keyof typeof METRICS;

/** All points of an axis that were measured with the same other two. */
export interface Series {
  readonly operation: OperationName;
  readonly metric: Metric;
  readonly axis: Axis;
  readonly points: readonly FitPoint[];
}

interface Sample {
  readonly operation: OperationName;
  readonly point: GrowthPoint;
  readonly costs: Cost[];
}

/** Everything that was measured. */
export class GrowthSamples {
  readonly #samples: Sample[] = [];

  add(operation: OperationName, point: GrowthPoint, cost: Cost): void {
    const known = this.#samples.find((sample) => sample.operation === operation && isSame(sample.point, point));
    if (known === undefined) this.#samples.push({ operation, point, costs: [cost] });
    else known.costs.push(cost);
  }

  /** The highest peak of memory at a point, bytes. */
  peakBytesAt(point: GrowthPoint): number {
    const here = this.#samples.filter((sample) => isSame(sample.point, point));
    return Math.max(0, ...here.flatMap(({ costs }) => costs.map(({ peakBytes }) => peakBytes)));
  }

  /** Medians along an axis, of the operations that were measured at two points of it and more. */
  series(axis: Axis, metric: Metric): Series[] {
    return OPERATION_NAMES.flatMap((operation) => {
      if (operationOf(operation).takesNoTime === true && metric !== 'peakBytes') return [];
      const points = this.#along(operation, axis).map(({ point, costs }) => ({
        x: point[axis],
        y: Math.max(Number.MIN_VALUE, median(costs.map((cost) => cost[metric])) ?? 0),
      }));
      return points.length < 2 ? [] : [{ operation, metric, axis, points }];
    });
  }

  /** The longest row of samples that differ in this axis alone. */
  #along(operation: OperationName, axis: Axis): Sample[] {
    const rows = new Map<string, Sample[]>();
    for (const sample of this.#samples) {
      if (sample.operation !== operation) continue;
      const others = JSON.stringify({ ...sample.point, [axis]: 0 });
      const row = rows.get(others);
      if (row === undefined) rows.set(others, [sample]);
      else row.push(sample);
    }
    const [longest = []] = [...rows.values()].sort((a, b) => b.length - a.length);
    return longest.sort((a, b) => a.point[axis] - b.point[axis]);
  }

  /** All samples, for `--json`. */
  toJSON(): object {
    return this.#samples;
  }
}

function isSame(a: GrowthPoint, b: GrowthPoint): boolean {
  return a.copies === b.copies && a.gib === b.gib && a.machines === b.machines;
}

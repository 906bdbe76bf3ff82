import type { OperationName } from './operations.js';
import type { Cost, GrowthPoint } from './samples.js';

/** What each part of the benchmark is given. */
export interface GrowthContext {
  /** Not there yet; removed behind it. */
  readonly directory: string;
  readonly dataMib: number;
  readonly seed: number;
  readonly only: readonly OperationName[];
  readonly signal: AbortSignal;
  readonly add: (operation: OperationName, point: GrowthPoint, cost: Cost) => void;
}

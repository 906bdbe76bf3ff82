import type { Figures } from './figures.js';

export interface SuiteContext {
  /** What is kept for the next run. */
  readonly cache: string;
  /** Empty, for this suite alone; removed behind it. */
  readonly directory: string;
  readonly scale: 'full' | 'small';
  readonly rounds: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** A part of the benchmark. */
export interface Suite {
  /** Leaves nothing running. @throws {BenchError} */
  readonly run: (context: SuiteContext) => Promise<readonly Figures[]>;
}

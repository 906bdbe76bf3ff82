/** How large the benchmark is. */
export interface GrowthScale {
  readonly name: 'full' | 'small';
  /** Shadow copies of one machine, ascending; measured with the largest volume. */
  readonly copies: readonly number[];
  /** The same of an agent's. */
  readonly agentCopies: readonly number[];
  /** Sizes of the volume in GiB, ascending; measured with {@link copiesOfSizes} shadow copies. */
  readonly gib: readonly number[];
  /** One of {@link copies}. */
  readonly copiesOfSizes: number;
  /** Machines of one host, ascending. */
  readonly machines: readonly number[];
  /** Data of the volume, whatever its size. */
  readonly dataMib: number;
  /** Servers that are started at each point. */
  readonly starts: number;
}

export const GROWTH_SCALES: Readonly<Record<GrowthScale['name'], GrowthScale>> = {
  full: {
    name: 'full',
    copies: [1, 10, 100, 1000],
    agentCopies: [1, 10, 100, 1000],
    gib: [1, 10, 100, 1000],
    copiesOfSizes: 10,
    machines: [1, 10, 100],
    dataMib: 64,
    starts: 3,
  },
  small: {
    name: 'small',
    copies: [1, 10, 100],
    agentCopies: [1, 10],
    gib: [1, 10, 100],
    copiesOfSizes: 10,
    machines: [1, 10],
    dataMib: 8,
    starts: 2,
  },
};

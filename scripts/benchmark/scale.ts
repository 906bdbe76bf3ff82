/** How large the benchmark is. */
export interface Scale {
  readonly name: 'full' | 'small';
  readonly imageBytes: number;
  /** Sizes of the database and the log that are put into A and that the day's work changes. */
  readonly databaseBytes: number;
  readonly logBytes: number;
  /** Pages of 8 KiB of the database that the day's work rewrites, and bytes that it adds to the log. */
  readonly changedPages: number;
  readonly appendedBytes: number;
  /** The image of the scenario that forgets one of many versions, and how many there are. */
  readonly manyImageBytes: number;
  readonly manyVersions: number;
  readonly randomReads: number;
}

const MIB = 1024 * 1024;

export const SCALES: Readonly<Record<Scale['name'], Scale>> = {
  full: {
    name: 'full',
    imageBytes: 2048 * MIB,
    databaseBytes: 32 * MIB,
    logBytes: 16 * MIB,
    changedPages: 1000,
    appendedBytes: 4 * MIB,
    manyImageBytes: 256 * MIB,
    manyVersions: 100,
    randomReads: 4000,
  },
  small: {
    name: 'small',
    imageBytes: 256 * MIB,
    databaseBytes: 8 * MIB,
    logBytes: 4 * MIB,
    changedPages: 200,
    appendedBytes: MIB,
    manyImageBytes: 64 * MIB,
    manyVersions: 10,
    randomReads: 500,
  },
};

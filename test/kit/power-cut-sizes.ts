/** What power-cut-workload.ts writes under each key: enough to make LevelDB's logs turn over now and then. */
export const OBJECT_BYTES = 20_000;
export const META_BYTES = 10_000;

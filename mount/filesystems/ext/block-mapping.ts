/** A stretch of a file in blocks. */
export interface Run {
  readonly start: number;
  readonly length: number;
  /** Where it stands in the file system; undefined for what reads as zeros: holes and unwritten extents. */
  readonly physical: number | undefined;
}

/** Where a file's blocks stand. */
export interface BlockMapping {
  /**
   * The run that `block` lies in; at once if what says so is in memory.
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  find(block: number): Run | Promise<Run>;
}

/** Runs until `blocks`, in order and without gaps; the last one may reach further. */
export async function* runsOf(mapping: BlockMapping, blocks: number): AsyncGenerator<Run> {
  for (let block = 0; block < blocks;) {
    const found = mapping.find(block);
    const run = found instanceof Promise ? await found : found;
    yield run;
    block = run.start + run.length;
  }
}

import type { MetadataReader } from '../../../blocks/block-cache.js';
import { Budget } from '../../../blocks/budget.js';
import { readExactly } from '../../../blocks/byte-source.js';
import { type BlockMapping, runsOf } from '../block-mapping.js';
import { damaged } from '../errors.js';

/** A journal in more pieces is not read. */
const MAX_RUNS = 65_536;

/** The blocks of a journal, by their numbers in it. */
export class JournalLog {
  readonly blocks: number;
  readonly blockBytes: number;
  readonly #reader: MetadataReader;
  readonly #starts: number[];
  readonly #physical: number[];

  private constructor(
    reader: MetadataReader,
    blockBytes: number,
    blocks: number,
    starts: number[],
    physical: number[],
  ) {
    this.#reader = reader;
    this.blockBytes = blockBytes;
    this.blocks = blocks;
    this.#starts = starts;
    this.#physical = physical;
  }

  /** @throws {UmbraError} FILESYSTEM_DAMAGED when the journal has holes, too many pieces or one block twice */
  static async open(
    reader: MetadataReader,
    mapping: BlockMapping,
    blockBytes: number,
    blocks: number,
  ): Promise<JournalLog> {
    const budget = new Budget(MAX_RUNS, 'pieces of the journal');
    const starts: number[] = [];
    const physicals: number[] = [];
    for await (const { start, physical } of runsOf(mapping, blocks)) {
      budget.spend();
      if (physical === undefined) throw damaged('the journal has holes');
      starts.push(start);
      physicals.push(physical);
    }
    if (overlaps(starts, physicals, blocks)) throw damaged('the journal has a block twice');
    return new JournalLog(reader, blockBytes, blocks, starts, physicals);
  }

  /** Where a block of the journal stands in the file system. */
  physical(block: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) <= block) low = middle + 1;
      else high = middle;
    }
    return (this.#physical[low - 1] ?? 0) + block - (this.#starts[low - 1] ?? 0);
  }

  /** A block; at once if it is in memory. */
  read(block: number): Buffer | Promise<Buffer> {
    return this.#reader.get(this.physical(block) * this.blockBytes, this.blockBytes);
  }

  /** Blocks that stand one behind the other in the file system, past the cache. */
  async readPhysical(physical: number, count: number): Promise<Buffer> {
    return await readExactly(this.#reader.source, physical * this.blockBytes, count * this.blockBytes);
  }
}

/** True if a block of the file system is in two runs: a small volume could claim a journal of any length so. */
function overlaps(starts: readonly number[], physicals: readonly number[], blocks: number): boolean {
  const order = Uint32Array.from(starts, (_, index) => index);
  order.sort((a, b) => (physicals[a] ?? 0) - (physicals[b] ?? 0));
  let end = 0;
  for (const run of order) {
    const physical = physicals[run] ?? 0;
    if (physical < end) return true;
    end = physical + Math.min(starts[run + 1] ?? blocks, blocks) - (starts[run] ?? 0);
  }
  return false;
}

import { changedBytes } from '../backup/volume-writer.js';
import type { RegionChange } from '../backup/change-count.js';
import type { ChunkRef } from '../tree/node.js';

interface Counts {
  readonly dataBlocks: number;
  readonly changedBytes: number;
  readonly change?: RegionChange;
}

/** What the regions of an upload change of a volume's counts. A region counts once it is settled: before, it may be sent again. */
export class IngestCounts {
  /** Blocks of the volume that are not zeros. */
  dataBlocks: number;
  /** Bytes that are not as in the base. */
  changedBytes = 0;
  readonly #running = new Map<number, Counts>();

  /** @param dataBlocks what the volume has of regions that do not come */
  constructor(dataBlocks: number) {
    this.dataBlocks = dataBlocks;
  }

  /**
   * Note a region that is under way.
   * @param old its chunks in the base
   * @param isCounted the base's data count already
   */
  note(region: number, chunks: readonly ChunkRef[], old: readonly ChunkRef[], isCounted: boolean): void {
    const dataBlocks = blocksOf(chunks) - (isCounted ? blocksOf(old) : 0);
    this.#running.set(region, { dataBlocks, changedBytes: changedBytes(chunks, old) });
  }

  /** Of a region that was noted; one that was abandoned meanwhile stays so. */
  noteChange(region: number, change: RegionChange): void {
    const counts = this.#running.get(region);
    if (counts !== undefined) this.#running.set(region, { ...counts, change });
  }

  /** @returns how it is not as in the newest shadow copy, if that is known */
  settle(region: number): RegionChange | undefined {
    const counts = this.#running.get(region);
    this.#running.delete(region);
    this.dataBlocks += counts?.dataBlocks ?? 0;
    this.changedBytes += counts?.changedBytes ?? 0;
    return counts?.change;
  }

  /** Forget the regions that are under way. */
  abandon(): void {
    this.#running.clear();
  }
}

function blocksOf(chunks: readonly ChunkRef[]): number {
  return chunks.reduce((sum, { blocks }) => sum + blocks, 0);
}

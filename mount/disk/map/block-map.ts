import type { ByteSource } from '../../blocks/byte-source.js';
import { UmbraError } from '../../../src/common/errors.js';
import { MappedSource, type Run } from './mapped-source.js';

/** Each costs 24 bytes; a thin volume of 1 TiB of which every block stands elsewhere has 16 million. */
const MAX_RUNS = 2_000_000;

/** Where the blocks of a thin volume or of a snapshot stand; blocks that follow one another in both are one run. */
export class BlockMap {
  readonly #starts: number[] = [];
  readonly #targets: number[] = [];
  readonly #lengths: number[] = [];

  /**
   * @param block higher than all before
   * @throws {UmbraError} FILESYSTEM_DAMAGED when it is not, FILESYSTEM_UNREADABLE when there are too many
   */
  add(block: number, target: number): void {
    const last = this.#starts.length - 1;
    const end = (this.#starts[last] ?? -1) + (this.#lengths[last] ?? 1);
    if (block < end) throw new UmbraError('FILESYSTEM_DAMAGED', 'the blocks of a mapping are not in order');
    if (last >= 0 && block === end && target === (this.#targets[last] ?? 0) + (this.#lengths[last] ?? 0)) {
      this.#lengths[last] = (this.#lengths[last] ?? 0) + 1;
      return;
    }
    if (last + 1 >= MAX_RUNS) {
      throw new UmbraError('FILESYSTEM_UNREADABLE', `a volume in more than ${MAX_RUNS} pieces`, {
        hint: 'Umbra keeps where they are in memory and stops here. Use the raw volumes.',
      });
    }
    this.#starts.push(block);
    this.#targets.push(target);
    this.#lengths.push(1);
  }

  /**
   * A volume whose mapped blocks stand in `mapped`, the others at the same place in `others` or, where that ends, are
   * zeros.
   */
  over(mapped: ByteSource, blockBytes: number, sizeBytes: number, others?: ByteSource): ByteSource {
    return new MappedSource(sizeBytes, (offset, length) =>
      this.#runs(mapped, blockBytes, others, offset, offset + length),
    );
  }

  *#runs(
    mapped: ByteSource,
    blockBytes: number,
    others: ByteSource | undefined,
    offset: number,
    end: number,
  ): Iterable<Run> {
    let index = this.#firstBehind(Math.floor(offset / blockBytes));
    for (let at = offset; at < end;) {
      const start = (this.#starts[index] ?? Infinity) * blockBytes;
      if (at < start) {
        const until = Math.min(start, end);
        yield* unmapped(others, at, until);
        at = until;
        continue;
      }
      const until = Math.min(start + (this.#lengths[index] ?? 0) * blockBytes, end);
      yield { source: mapped, offset: (this.#targets[index] ?? 0) * blockBytes + at - start, length: until - at };
      at = until;
      index += 1;
    }
  }

  /** The first run that does not end before `block`. */
  #firstBehind(block: number): number {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) + (this.#lengths[middle] ?? 0) > block) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function* unmapped(others: ByteSource | undefined, at: number, until: number): Iterable<Run> {
  const covered = Math.max(at, Math.min(until, others?.sizeBytes ?? 0));
  if (covered > at) yield { source: others, offset: at, length: covered - at };
  if (until > covered) yield { offset: 0, length: until - covered };
}

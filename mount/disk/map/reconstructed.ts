import { type ByteSource, lengthWithin, type Location, outside } from '../../blocks/byte-source.js';
import type { ParityLayout } from './parity-layout.js';

/**
 * The missing column of a RAID 5 or 6: each of its chunks is what all others of its row but the second parity give by
 * exclusive or. Not for the chunks that hold the second parity itself, which nobody reads.
 */
export function reconstructed(
  columns: readonly (ByteSource | undefined)[],
  missing: number,
  layout: ParityLayout,
  chunkBytes: number,
  sizeBytes: number,
): ByteSource {
  const readPart = async (target: Uint8Array, offset: number, row: number): Promise<void> => {
    const { q } = layout(row, columns.length);
    const piece = Buffer.allocUnsafe(target.length);
    target.fill(0);
    for (const [index, column] of columns.entries()) {
      if (column === undefined || index === missing || index === q) continue;
      if ((await column.read(piece, offset)) < target.length) throw outside(column, offset, target.length);
      for (let at = 0; at < target.length; at++) target[at] = (target[at] ?? 0) ^ (piece[at] ?? 0);
    }
  };
  return {
    sizeBytes,
    async read(target, offset) {
      const length = lengthWithin(sizeBytes, target.length, offset);
      for (let at = offset; at < offset + length;) {
        const row = Math.floor(at / chunkBytes);
        const end = Math.min(offset + length, (row + 1) * chunkBytes);
        await readPart(target.subarray(at - offset, end - offset), at, row);
        at = end;
      }
      return length;
    },
    locate: (_offset, length): readonly Location[] => [{ length, offset: 0 }],
  };
}

import { UmbraError } from '../../../src/common/errors.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import { MappedSource, type Run } from './mapped-source.js';

/** How a RAID 10 keeps its copies (drivers/md/raid10.c). */
export interface Raid10Layout {
  /** Copies in the same row. */
  readonly near: number;
  /** Copies further on in the columns. */
  readonly far: number;
  /** True if the far copies stand in the next row and not in another part of the column. */
  readonly offset: boolean;
}

interface Place {
  readonly column: number;
  readonly row: number;
}

/**
 * RAID 10: of each chunk the first copy that is there is read.
 * @param columnBytes of each column that is used
 * @throws {UmbraError} FILESYSTEM_UNREADABLE when some chunks have no copy
 */
export function raid10(
  columns: readonly (ByteSource | undefined)[],
  { near, far, offset }: Raid10Layout,
  chunkBytes: number,
  columnBytes: number,
): ByteSource {
  const count = columns.length;
  const columnChunks = Math.floor(columnBytes / chunkBytes);
  const chunks = Math.floor((Math.floor(columnChunks / far) * count) / near);
  const stride = offset ? 1 : Math.floor(Math.ceil((chunks * near * far) / count) / far);
  const copies = (chunk: number): Place[] => {
    const row = Math.floor((chunk * near) / count) * (offset ? far : 1);
    const firstColumn = (chunk * near) % count;
    return Array.from({ length: near * far }, (_, index) => {
      const [nearCopy, farCopy] = [index % near, Math.floor(index / near)];
      const wraps = firstColumn + nearCopy >= count;
      return {
        column: (firstColumn + nearCopy + farCopy * near) % count,
        row: row + (wraps ? 1 : 0) + farCopy * stride,
      };
    });
  };
  // The places repeat after as many chunks as there are columns.
  for (let chunk = 0; chunk < Math.min(chunks, count); chunk++) {
    if (copies(chunk).every(({ column }) => columns[column] === undefined)) throw missingCopies();
  }
  return new MappedSource(chunks * chunkBytes, function* (from, length): Iterable<Run> {
    for (let at = from; at < from + length;) {
      const chunk = Math.floor(at / chunkBytes);
      const within = at - chunk * chunkBytes;
      const part = Math.min(chunkBytes - within, from + length - at);
      const place = copies(chunk).find(({ column }) => columns[column] !== undefined) ?? { column: 0, row: 0 };
      yield { source: columns[place.column], offset: place.row * chunkBytes + within, length: part };
      at += part;
    }
  });
}

function missingCopies(): UmbraError {
  return new UmbraError('FILESYSTEM_UNREADABLE', 'of some parts of a RAID 10 all copies are missing', {
    hint: 'Protect the disks that are missing as well, or look at an older shadow copy.',
  });
}

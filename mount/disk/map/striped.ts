import type { ByteSource } from '../../blocks/byte-source.js';
import { MappedSource, type Run } from './mapped-source.js';

/** In which column of which row a chunk of the data stands. */
export type ChunkPlace = (chunk: number) => { readonly column: number; readonly row: number };

/**
 * Data that is cut into chunks which are dealt out to several columns.
 * @param columns of which those that hold data must be there
 * @param place of a chunk; the same rule for all of them
 */
export function chunked(
  columns: readonly (ByteSource | undefined)[],
  chunkBytes: number,
  sizeBytes: number,
  place: ChunkPlace,
): ByteSource {
  return new MappedSource(sizeBytes, function* (offset, length): Iterable<Run> {
    for (let at = offset; at < offset + length;) {
      const chunk = Math.floor(at / chunkBytes);
      const within = at - chunk * chunkBytes;
      const part = Math.min(chunkBytes - within, offset + length - at);
      const { column, row } = place(chunk);
      yield { source: columns[column], offset: row * chunkBytes + within, length: part };
      at += part;
    }
  });
}

/** RAID 0 over columns of the same size: one chunk to each in turn. */
export function striped(columns: readonly ByteSource[], chunkBytes: number): ByteSource {
  const count = columns.length;
  const shortest = Math.min(...columns.map(({ sizeBytes }) => sizeBytes));
  const rows = Math.floor(shortest / chunkBytes);
  return chunked(columns, chunkBytes, rows * chunkBytes * count, (chunk) => ({
    column: chunk % count,
    row: Math.floor(chunk / count),
  }));
}

import { type ByteSource, WindowSource } from '../../blocks/byte-source.js';
import { MappedSource, type Run } from './mapped-source.js';

/** Sources one behind the other: the segments of a logical volume, the disks of a linear array. */
export function concatenated(sources: readonly ByteSource[]): ByteSource {
  const [only, ...more] = sources;
  if (only !== undefined && more.length === 0) return only;
  const ends: number[] = [];
  let sizeBytes = 0;
  for (const source of sources) ends.push((sizeBytes += source.sizeBytes));
  return new MappedSource(sizeBytes, function* (offset, length): Iterable<Run> {
    for (let at = offset, index = indexOf(ends, offset); at < offset + length; index++) {
      const end = ends[index] ?? sizeBytes;
      const source = sources[index];
      const part = Math.min(end, offset + length) - at;
      if (part > 0) yield { source, offset: at - (end - (source?.sizeBytes ?? 0)), length: part };
      at += part;
    }
  });
}

/** The first of the ascending `ends` that lies behind `offset`. */
function indexOf(ends: readonly number[], offset: number): number {
  let [low, high] = [0, ends.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ends[middle] ?? 0) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** As many zeros. */
export function zeros(sizeBytes: number): ByteSource {
  return new MappedSource(sizeBytes, (offset, length) => [{ offset, length }]);
}

/** The first `sizeBytes` of a source. */
export function cutTo(source: ByteSource, sizeBytes: number): ByteSource {
  return source.sizeBytes === sizeBytes ? source : new WindowSource(source, 0, sizeBytes);
}

import type { MetadataReader } from '../../blocks/block-cache.js';
import type { Geometry } from './boot-sector.js';
import { damaged } from './parse.js';
import { HOLE, type RunList } from './runs.js';

/**
 * `length` bytes of metadata that stand in `runs`, from `offset` there; holes are zeros. They must not be changed; at once if they are in
 * memory and in one piece.
 * @throws {UmbraError} FILESYSTEM_DAMAGED if they are not all there
 */
export function readRuns(
  reader: MetadataReader,
  geometry: Geometry,
  runs: RunList,
  offset: number,
  length: number,
): Buffer | Promise<Buffer> {
  const place = placeOf(geometry, runs, offset, length);
  if (place.length === length && place.offset >= 0) return reader.get(place.offset, length);
  return join(reader, geometry, runs, offset, length);
}

async function join(
  reader: MetadataReader,
  geometry: Geometry,
  runs: RunList,
  offset: number,
  length: number,
): Promise<Buffer> {
  const joined = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const place = placeOf(geometry, runs, offset + done, length - done);
    if (place.offset >= 0) (await reader.get(place.offset, place.length)).copy(joined, done);
    done += place.length;
  }
  return joined;
}

/** Where the bytes from `offset` stand on the volume, as far as they stand together; -1 in a hole. */
export function placeOf(
  geometry: Geometry,
  runs: RunList,
  offset: number,
  length: number,
): { offset: number; length: number } {
  const { clusterBytes } = geometry;
  const index = runs.find(Math.floor(offset / clusterBytes));
  if (index >= runs.size) throw damaged('a stream is shorter than it says');
  const run = runs.at(index);
  const inside = offset - run.vcn * clusterBytes;
  const rest = Math.min(length, run.length * clusterBytes - inside);
  return { offset: run.lcn === HOLE ? -1 : run.lcn * clusterBytes + inside, length: rest };
}

import { Budget } from '../../blocks/budget.js';
import type { Location } from '../../blocks/byte-source.js';
import type { Extent } from '../filesystem.js';
import { unitOf } from './compressed-reader.js';
import type { NtfsCore } from './core.js';
import { damaged } from './parse.js';
import { HOLE, type Run } from './runs.js';
import type { Stream } from './stream.js';

/** Where the content of a stream stands, in order and without gaps. */
export function* streamExtents(core: NtfsCore, stream: Stream): Generator<Extent> {
  const { sizeBytes, initializedBytes, value } = stream;
  if (sizeBytes === 0) return;
  if (value !== undefined) {
    yield { kind: 'inline', offset: 0, length: sizeBytes };
    return;
  }
  if (stream.compressed) yield* compressedExtents(core, stream);
  else yield* plainExtents(core, stream);
  if (initializedBytes < sizeBytes) {
    yield { kind: 'hole', offset: initializedBytes, length: sizeBytes - initializedBytes };
  }
}

/** A file that is made from all of `packed`, as one. @param encoding how */
export function* wholeExtents(core: NtfsCore, packed: Stream, sizeBytes: number, encoding: string): Generator<Extent> {
  if (sizeBytes === 0) return;
  if (packed.value !== undefined) {
    yield { kind: 'inline', offset: 0, length: sizeBytes };
    return;
  }
  const locations: Location[] = [];
  for (const extent of plainExtents(core, packed)) if (extent.kind === 'stored') locations.push(...extent.locations);
  yield { kind: 'stored', offset: 0, length: sizeBytes, encoded: true, encoding, locations };
}

function* plainExtents(core: NtfsCore, { runs, initializedBytes }: Stream): Generator<Extent> {
  const { clusterBytes } = core.geometry;
  let end = 0;
  for (let index = 0; index < runs.size && end < initializedBytes; index++) {
    const run = runs.at(index);
    const offset = run.vcn * clusterBytes;
    const length = Math.min(run.length * clusterBytes, initializedBytes - offset);
    if (run.lcn === HOLE) yield { kind: 'hole', offset, length };
    else yield { kind: 'stored', offset, length, encoded: false, locations: locate(core, run, length) };
    end = offset + length;
  }
  if (end < initializedBytes) throw damaged('a stream is shorter than it says');
}

function* compressedExtents(core: NtfsCore, stream: Stream): Generator<Extent> {
  const { clusterBytes } = core.geometry;
  const { unitClusters, initializedBytes, runs } = stream;
  const unitBytes = unitClusters * clusterBytes;
  if (runs.clusters * clusterBytes < initializedBytes) throw damaged('a stream is shorter than it says');
  // Each cluster is a part of one unit at most, but damage may have them repeat.
  const budget = new Budget(
    Math.ceil(core.source.sizeBytes / clusterBytes) + 2 * runs.size,
    'compression units in a file',
  );
  for (let offset = 0; offset < initializedBytes;) {
    budget.spend();
    const hole = holeFrom(stream, offset / clusterBytes);
    const length = Math.min(Math.max(hole, 1) * unitBytes, initializedBytes - offset);
    const unit = unitOf(stream, offset / unitBytes);
    if (hole > 0 || unit.clusters === 0) yield { kind: 'hole', offset, length };
    else {
      const encoded = unit.clusters < unitClusters;
      const locations = unit.runs.flatMap((run) => locate(core, run, run.length * clusterBytes));
      if (encoded) yield { kind: 'stored', offset, length, encoded, encoding: 'lznt1', locations };
      else yield { kind: 'stored', offset, length, encoded, locations: cut(locations, length) };
    }
    offset += length;
  }
}

/** How many whole units from cluster `vcn` on lie in one hole: a large hole must not take a step for each of its units. */
function holeFrom({ runs, unitClusters }: Stream, vcn: number): number {
  const run = runs.at(runs.find(vcn));
  return run.lcn === HOLE ? Math.floor((run.vcn + run.length - vcn) / unitClusters) : 0;
}

function locate({ source, geometry }: NtfsCore, run: Run, length: number): readonly Location[] {
  const offset = run.lcn * geometry.clusterBytes;
  if (offset + length > source.sizeBytes) throw damaged('a stream lies outside of what holds the volume');
  return source.locate(offset, length);
}

/** The first `length` bytes of these. */
function cut(locations: readonly Location[], length: number): Location[] {
  const parts: Location[] = [];
  let left = length;
  for (const location of locations) {
    if (left <= 0) break;
    parts.push({ ...location, length: Math.min(location.length, left) });
    left -= location.length;
  }
  return parts;
}

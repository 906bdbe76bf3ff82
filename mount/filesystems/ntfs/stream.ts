import type { Attribute } from './attribute.js';
import type { NtfsCore } from './core.js';
import { damaged } from './parse.js';
import { readRuns } from './read-runs.js';
import { RunList } from './runs.js';

/** The content of an attribute, put together from all its parts. */
export interface Stream {
  readonly sizeBytes: number;
  /** From here on it is zeros. */
  readonly initializedBytes: number;
  readonly compressed: boolean;
  readonly encrypted: boolean;
  readonly unitClusters: number;
  /** The content itself, if it stands in the file's record; else `runs` says where it is. */
  readonly value: Buffer | undefined;
  readonly runs: RunList;
}

/**
 * The stream of these parts, which are all of one attribute, in order.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function streamOf({ geometry }: Pick<NtfsCore, 'geometry'>, parts: readonly Attribute[]): Stream {
  const [first] = parts;
  if (first === undefined) throw damaged('there is no such stream');
  const { compressed, encrypted, value, nonresident } = first;
  const runs = new RunList(geometry.clusters);
  if (nonresident === undefined) {
    const sizeBytes = value?.length ?? 0;
    return { sizeBytes, initializedBytes: sizeBytes, compressed: false, encrypted, unitClusters: 1, value, runs };
  }
  for (const { nonresident: piece } of parts) {
    if (piece?.lowestVcn !== runs.clusters) throw damaged('a part of a stream is missing');
    runs.append(piece.pairs);
  }
  const { sizeBytes, unitClusters } = nonresident;
  const initializedBytes = Math.min(sizeBytes, nonresident.initializedBytes);
  return { sizeBytes, initializedBytes, compressed, encrypted, unitClusters, value: undefined, runs };
}

/**
 * `length` bytes of a stream of metadata, which must all be there.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function readPart(core: NtfsCore, stream: Stream, offset: number, length: number): Buffer | Promise<Buffer> {
  if (offset + length > stream.initializedBytes) throw damaged('a structure points behind the end of its stream');
  if (stream.value !== undefined) return stream.value.subarray(offset, offset + length);
  return readRuns(core.reader, core.geometry, stream.runs, offset, length);
}

/**
 * All of a small stream of metadata.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when it is larger than `limit`
 */
export async function readAll(core: NtfsCore, stream: Stream, limit: number): Promise<Buffer> {
  if (stream.sizeBytes > limit) throw damaged(`a structure has ${stream.sizeBytes} bytes; at most ${limit} make sense`);
  if (stream.compressed) throw damaged('a structure is compressed');
  const bytes = Buffer.alloc(stream.sizeBytes);
  if (stream.initializedBytes > 0) (await readPart(core, stream, 0, stream.initializedBytes)).copy(bytes);
  return bytes;
}

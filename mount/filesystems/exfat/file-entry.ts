import { UmbraError } from '../../../src/common/errors.js';
import type { ClusterEntry, ClusterFilesystemParts } from '../fat/cluster-filesystem.js';
import { DIRECTORY } from '../fat/dos-attributes.js';
import { dosTimeAtOffsetNs, dosTimeNs } from '../fat/dos-time.js';

const NO_FAT_CHAIN = 2;

/**
 * What the entries of a file and its stream say. exFAT specification, sections 7.4 and 7.6.
 * @param file, stream 32 bytes each
 * @throws {UmbraError} FILESYSTEM_DAMAGED when it is larger than the volume: there are no holes
 */
export function parseFileEntry(
  file: Buffer,
  stream: Buffer,
  geometry: ClusterFilesystemParts['geometry'],
): ClusterEntry {
  const { clusterBytes, clusters } = geometry;
  const attributes = file.readUInt16LE(4);
  const sizeBytes = sizeOf(stream.readBigUInt64LE(24), clusterBytes * clusters);
  const valid = stream.readBigUInt64LE(8);
  const isContiguous = (stream.readUInt8(1) & NO_FAT_CHAIN) !== 0;
  return {
    attributes,
    isDirectory: (attributes & DIRECTORY) !== 0,
    firstCluster: stream.readUInt32LE(20),
    sizeBytes,
    validBytes: valid < BigInt(sizeBytes) ? Number(valid) : sizeBytes,
    ...(isContiguous && { contiguousClusters: Math.ceil(sizeBytes / clusterBytes) }),
    birthNs: timeNs(file.readUInt32LE(8), file.readUInt8(20), file.readUInt8(22)),
    mtimeNs: timeNs(file.readUInt32LE(12), file.readUInt8(21), file.readUInt8(23)),
    atimeNs: timeNs(file.readUInt32LE(16), 0, file.readUInt8(24)),
  };
}

function sizeOf(size: bigint, most: number): number {
  if (size <= BigInt(most)) return Number(size);
  throw new UmbraError('FILESYSTEM_DAMAGED', `a file of ${size} bytes cannot stand in clusters of ${most} bytes`);
}

const OFFSET_VALID = 0x80;
const MINUTES_PER_QUARTER = 15;

/** Without a valid offset from UTC a time is that of a clock on the wall. exFAT specification, sections 7.4.8 to 7.4.10. */
function timeNs(timestamp: number, centiseconds: number, utcOffset: number): bigint {
  const date = timestamp >>> 16;
  const time = timestamp & 0xffff;
  if ((utcOffset & OFFSET_VALID) === 0) return dosTimeNs(date, time, centiseconds);
  // Seven bits with a sign.
  const quarters = ((utcOffset & 0x7f) ^ 0x40) - 0x40;
  return dosTimeAtOffsetNs(date, time, centiseconds, quarters * MINUTES_PER_QUARTER);
}

import { lengthWithin, type ByteSource } from '../../blocks/byte-source.js';
import { isPowerOfTwo } from './parse.js';

/** What the boot sector says of a volume. */
export interface Geometry {
  readonly sectorBytes: number;
  /** 512 bytes to 2 MiB. */
  readonly clusterBytes: number;
  readonly clusters: number;
  readonly sizeBytes: number;
  /** The clusters where `$MFT` and its mirror begin. */
  readonly mftCluster: number;
  readonly mirrorCluster: number;
  /** The size of a file record: 1 KiB, or 4 KiB on disks with such sectors. */
  readonly recordBytes: number;
  readonly serial: bigint;
}

export const BOOT_SECTOR_BYTES = 512;
const SIGNATURE = 'NTFS    ';
const MAX_CLUSTER_BYTES = 2 * 1024 * 1024;
const MAX_SECTOR_BYTES = 4096;
const MIN_RECORD_BYTES = 512;
const MAX_RECORD_BYTES = 65_536;

/** True if the bytes claim to be an NTFS boot sector. */
export function hasSignature(sector: Buffer): boolean {
  return sector.length >= BOOT_SECTOR_BYTES && sector.toString('latin1', 3, 11) === SIGNATURE;
}

/** The geometry in a boot sector; undefined if it is none, or makes no sense. */
export function parseBootSector(sector: Buffer): Geometry | undefined {
  if (!hasSignature(sector)) return undefined;
  const sectorBytes = sector.readUInt16LE(0x0b);
  if (!isPowerOfTwo(sectorBytes) || sectorBytes < BOOT_SECTOR_BYTES || sectorBytes > MAX_SECTOR_BYTES) return undefined;
  const clusterBytes = sectorBytes * sectorsPerCluster(sector.readUInt8(0x0d));
  const sizeBytes = Number(sector.readBigUInt64LE(0x28)) * sectorBytes;
  const recordBytes = recordSize(sector.readInt8(0x40), clusterBytes);
  if (!isPowerOfTwo(clusterBytes) || clusterBytes > MAX_CLUSTER_BYTES) return undefined;
  if (!isPowerOfTwo(recordBytes) || recordBytes < MIN_RECORD_BYTES || recordBytes > MAX_RECORD_BYTES) return undefined;
  const clusters = Math.floor(sizeBytes / clusterBytes);
  const mftCluster = Number(sector.readBigUInt64LE(0x30));
  const mirrorCluster = Number(sector.readBigUInt64LE(0x38));
  if (!Number.isSafeInteger(sizeBytes) || mftCluster >= clusters) return undefined;
  const serial = sector.readBigUInt64LE(0x48);
  return { sectorBytes, clusterBytes, clusters, sizeBytes, mftCluster, mirrorCluster, recordBytes, serial };
}

/** From 128 on the byte is a negative exponent: 0xF4 is 2^12 sectors. */
function sectorsPerCluster(value: number): number {
  return value <= 0x80 ? value : 2 ** (256 - value);
}

/** In clusters, or a negative exponent. */
function recordSize(value: number, clusterBytes: number): number {
  return value > 0 ? value * clusterBytes : 2 ** -value;
}

/** The first sector, and the last one of the partition, where the backup is, for sectors of 512 bytes and of 4 KiB. */
export async function bootSectors(source: ByteSource): Promise<Buffer[]> {
  const offsets = [0, source.sizeBytes - BOOT_SECTOR_BYTES, source.sizeBytes - MAX_SECTOR_BYTES];
  const sectors: Buffer[] = [];
  for (const offset of offsets) {
    const sector = Buffer.alloc(lengthWithin(source.sizeBytes, BOOT_SECTOR_BYTES, offset));
    if (sector.length > 0) await source.read(sector, offset);
    sectors.push(sector);
  }
  return sectors;
}

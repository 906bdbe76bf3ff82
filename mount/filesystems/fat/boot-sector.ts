/** What the boot sector says of a FAT file system. FAT specification, section 3. Offsets and sizes in bytes. */
export interface FatLayout {
  readonly kind: 12 | 16 | 32;
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  readonly clusters: number;
  /** Of the first file allocation table, of each, and how many there are. */
  readonly fatOffset: number;
  readonly fatBytes: number;
  readonly fats: number;
  /** The only one that is kept up to date; undefined if all are. */
  readonly activeFat: number | undefined;
  /** The root directory of FAT12 and FAT16. */
  readonly rootOffset: number;
  readonly rootBytes: number;
  /** That of FAT32. */
  readonly rootCluster: number;
  readonly heapOffset: number;
  /** Of FAT32's FSInfo sector; 0 without one. */
  readonly infoOffset: number;
  readonly sizeBytes: number;
  readonly media: number;
  readonly serial: number;
  /** The boot sector's flag: it is in use. */
  readonly isDirty: boolean;
}

export const BOOT_SECTOR_BYTES = 512;

/** FAT12 has fewer clusters than that. */
const FAT16_CLUSTERS = 4085;

/** Of 4096 bytes, so that all offsets are exact numbers. */
const MAX_SECTORS = 2n ** 40n;

/** 4967D63B-2E29-4AD8-8399-F6A339E3D001, as it stands in the boot sector of BitLocker To Go. */
const BITLOCKER_TO_GO = Buffer.from('3bd66749292ed84a8399f6a339e3d001', 'hex');
const BITLOCKER_TO_GO_AT = 424;

/** A boot sector's parameter block, if it can be that of a FAT file system. */
export function parseBootSector(boot: Buffer): FatLayout | undefined {
  if (boot.length < BOOT_SECTOR_BYTES || !hasSignature(boot) || isBitLocker(boot)) return undefined;
  const sectorBytes = boot.readUInt16LE(11);
  const clusterSectors = boot.readUInt8(13);
  const reserved = boot.readUInt16LE(14);
  const fats = boot.readUInt8(16);
  const media = boot.readUInt8(21);
  const isMedia = media === 0xf0 || media >= 0xf8;
  if (!isSectorSize(sectorBytes) || !isPowerOfTwo(clusterSectors) || reserved === 0 || fats === 0 || !isMedia)
    return undefined;
  return withClusters(boot, { sectorBytes, clusterSectors, reserved, fats, media });
}

interface Basics {
  readonly sectorBytes: number;
  readonly clusterSectors: number;
  readonly reserved: number;
  readonly fats: number;
  readonly media: number;
}

function withClusters(boot: Buffer, basics: Basics): FatLayout | undefined {
  const { sectorBytes, clusterSectors, reserved, fats, media } = basics;
  const fatSectors16 = boot.readUInt16LE(22);
  const isFat32 = fatSectors16 === 0;
  const fatSectors = isFat32 ? boot.readUInt32LE(36) : fatSectors16;
  const sectors = boot.readUInt16LE(19) || boot.readUInt32LE(32) || (isFat32 ? largeCount(boot) : 0);
  const rootBytes = isFat32 ? 0 : boot.readUInt16LE(17) * 32;
  const rootSector = reserved + fats * fatSectors;
  const heapSector = rootSector + Math.ceil(rootBytes / sectorBytes);
  const inHeap = Math.floor((sectors - heapSector) / clusterSectors);
  if (fatSectors === 0 || inHeap < 1) return undefined;
  const kind = isFat32 ? 32 : inHeap < FAT16_CLUSTERS ? 12 : 16;
  const inTable = Math.floor((fatSectors * sectorBytes * 8) / kind) - 2;
  const clusters = Math.min(inHeap, inTable);
  if (clusters < 1) return undefined;
  return {
    kind,
    sectorBytes,
    clusterBytes: sectorBytes * clusterSectors,
    clusters,
    fatOffset: reserved * sectorBytes,
    fatBytes: fatSectors * sectorBytes,
    fats,
    rootOffset: rootSector * sectorBytes,
    rootBytes,
    heapOffset: heapSector * sectorBytes,
    sizeBytes: sectors * sectorBytes,
    media,
    ...(isFat32 ? fat32Fields(boot, sectorBytes, fats) : fat16Fields(boot)),
  };
}

/** Windows' count of the sectors of a FAT32 that has more than 2^32 of them. */
function largeCount(boot: Buffer): number {
  const sectors = boot.readBigUInt64LE(82);
  return sectors > MAX_SECTORS ? 0 : Number(sectors);
}

type KindFields = Pick<FatLayout, 'activeFat' | 'rootCluster' | 'infoOffset' | 'serial' | 'isDirty'>;

function fat16Fields(boot: Buffer): KindFields {
  return {
    activeFat: undefined,
    rootCluster: 0,
    infoOffset: 0,
    serial: boot.readUInt32LE(39),
    isDirty: (boot.readUInt8(37) & 1) !== 0,
  };
}

function fat32Fields(boot: Buffer, sectorBytes: number, fats: number): KindFields {
  const flags = boot.readUInt16LE(40);
  const active = flags & 15;
  const infoSector = boot.readUInt16LE(48);
  return {
    activeFat: (flags & 0x80) !== 0 && active < fats ? active : undefined,
    rootCluster: boot.readUInt32LE(44),
    infoOffset: infoSector === 0xffff ? 0 : infoSector * sectorBytes,
    serial: boot.readUInt32LE(67),
    isDirty: (boot.readUInt8(65) & 1) !== 0,
  };
}

/** The boot signature, or the type's name where formatting programs write it. */
function hasSignature(boot: Buffer): boolean {
  if (boot.readUInt16LE(510) === 0xaa55) return true;
  return boot.toString('latin1', 54, 57) === 'FAT' || boot.toString('latin1', 82, 85) === 'FAT';
}

/**
 * What is encrypted by BitLocker To Go looks like a FAT32 whose files are the program that opens it (libbde's
 * documentation of the format).
 */
function isBitLocker(boot: Buffer): boolean {
  return (
    boot.toString('latin1', 3, 11) === 'MSWIN4.1' &&
    boot.subarray(BITLOCKER_TO_GO_AT, BITLOCKER_TO_GO_AT + BITLOCKER_TO_GO.length).equals(BITLOCKER_TO_GO)
  );
}

function isSectorSize(bytes: number): boolean {
  return isPowerOfTwo(bytes) && bytes >= 512 && bytes <= 4096;
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

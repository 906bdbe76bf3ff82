const NAMES: ReadonlySet<string> = new Set(['NTFS    ', 'EXFAT   ', '-FVE-FS-', 'ReFS\0\0\0\0']);

/**
 * True if a first sector is that of a file system of the FAT family, NTFS, exFAT, BitLocker or ReFS. Such a sector is
 * signed like a master boot record, and what would be the partition table is code.
 */
export function isFilesystemBootSector(sector: Buffer): boolean {
  return NAMES.has(sector.toString('latin1', 3, 11)) || isFatBootSector(sector);
}

/** The checks that Linux and libblkid make of a FAT's parameters. */
function isFatBootSector(sector: Buffer): boolean {
  const jump = sector[0];
  const [sectorBytes, clusterSectors, reserved] = [sector.readUInt16LE(11), sector[13] ?? 0, sector.readUInt16LE(14)];
  const [fats, media] = [sector[16] ?? 0, sector[21] ?? 0];
  if ((jump !== 0xeb && jump !== 0xe9) || reserved === 0 || fats === 0 || fats > 4) return false;
  if (sectorBytes < 512 || sectorBytes > 4096 || !isPowerOfTwo(sectorBytes) || !isPowerOfTwo(clusterSectors))
    return false;
  if (media < 0xf8 && media !== 0xf0) return false;
  const [sectors16, sectors32] = [sector.readUInt16LE(19), sector.readUInt32LE(32)];
  const [fat16, fat32] = [sector.readUInt16LE(22), sector.readUInt32LE(36)];
  return (sectors16 !== 0 || sectors32 !== 0) && (fat16 !== 0 || fat32 !== 0);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

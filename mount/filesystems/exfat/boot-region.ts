import { UmbraError } from '../../../src/common/errors.js';
import { type ByteSource, lengthWithin, readExactly } from '../../blocks/byte-source.js';

/** What the boot sector says of an exFAT file system. exFAT specification, section 3. Offsets and sizes in bytes. */
export interface ExfatLayout {
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  readonly clusters: number;
  /** Of the active file allocation table. */
  readonly fatOffset: number;
  /** Which of two tables and bitmaps (TexFAT) is the active one. */
  readonly activeFat: 0 | 1;
  readonly heapOffset: number;
  readonly rootCluster: number;
  readonly sizeBytes: number;
  readonly serial: number;
  readonly isDirty: boolean;
}

export interface BootRegion {
  readonly layout: ExfatLayout;
  readonly problems: readonly string[];
}

const BOOT_SECTOR_BYTES = 512;
/** Sectors of a boot region; the backup follows it. */
const REGION_SECTORS = 12;
const SECTOR_SHIFTS = [9, 10, 11, 12] as const;
const MAX_CLUSTER_SHIFT = 25;
const ACTIVE_FAT = 1;
const DIRTY = 2;
/** Offsets of the volume's flags and its percentage in use, which change without the checksum. */
const UNCHECKED = new Set([106, 107, 112]);

/** True if it begins with a boot sector of exFAT. */
export async function hasBootRegion(source: ByteSource): Promise<boolean> {
  return (await candidates(source))[0]?.offset === 0;
}

/** True if there is the backup of one. */
export async function hasBackupRegion(source: ByteSource): Promise<boolean> {
  return (await candidates(source)).some(({ offset }) => offset > 0);
}

/**
 * The main boot region, or its backup where the main one is damaged.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when neither makes sense, FILESYSTEM_UNREADABLE for another major version
 */
export async function readBootRegion(source: ByteSource): Promise<BootRegion> {
  const found = await candidates(source);
  for (const { offset, layout } of found) {
    if (!(await isChecked(source, offset, layout.sectorBytes))) continue;
    return { layout, problems: offset === 0 ? [] : ['its boot region is damaged: the backup was used'] };
  }
  const [first] = found;
  if (first === undefined)
    throw new UmbraError('FILESYSTEM_DAMAGED', 'there is no boot sector of an exFAT file system');
  return { layout: first.layout, problems: ['the checksum of its boot region is wrong'] };
}

interface Candidate {
  readonly offset: number;
  readonly layout: ExfatLayout;
}

async function candidates(source: ByteSource): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const offset of [0, ...SECTOR_SHIFTS.map((shift) => REGION_SECTORS * 2 ** shift)]) {
    if (lengthWithin(source.sizeBytes, BOOT_SECTOR_BYTES, offset) < BOOT_SECTOR_BYTES) break;
    const layout = parseBootSector(await readExactly(source, offset, BOOT_SECTOR_BYTES));
    // A backup is where its own sectors put it.
    if (layout !== undefined && (offset === 0 || offset === REGION_SECTORS * layout.sectorBytes)) {
      found.push({ offset, layout });
    }
  }
  return found;
}

function parseBootSector(boot: Buffer): ExfatLayout | undefined {
  const sectorShift = boot.readUInt8(108);
  const clusterShift = sectorShift + boot.readUInt8(109);
  const fats = boot.readUInt8(110);
  const isBoot = boot.toString('latin1', 3, 11) === 'EXFAT   ' && boot.readUInt16LE(510) === 0xaa55;
  const isSized = sectorShift >= 9 && sectorShift <= 12 && clusterShift <= MAX_CLUSTER_SHIFT;
  if (!isBoot || !isSized || (fats !== 1 && fats !== 2)) return undefined;
  return layoutOf(boot, 2 ** sectorShift, 2 ** clusterShift, fats);
}

function layoutOf(boot: Buffer, sectorBytes: number, clusterBytes: number, fats: number): ExfatLayout | undefined {
  const sectors = boot.readBigUInt64LE(72);
  const fatSectors = boot.readUInt32LE(84);
  const heapOffset = boot.readUInt32LE(88) * sectorBytes;
  const flags = boot.readUInt16LE(106);
  const firstFat = boot.readUInt32LE(80) * sectorBytes;
  const activeFat = fats === 2 && (flags & ACTIVE_FAT) !== 0 ? 1 : 0;
  const clusters = Math.min(boot.readUInt32LE(92), Math.floor((fatSectors * sectorBytes) / 4) - 2);
  if (clusters < 1 || firstFat === 0 || sectors > BigInt(Number.MAX_SAFE_INTEGER) / BigInt(sectorBytes))
    return undefined;
  return {
    sectorBytes,
    clusterBytes,
    clusters,
    fatOffset: firstFat + activeFat * fatSectors * sectorBytes,
    activeFat,
    heapOffset,
    rootCluster: boot.readUInt32LE(96),
    sizeBytes: Number(sectors) * sectorBytes,
    serial: boot.readUInt32LE(100),
    isDirty: (flags & DIRTY) !== 0,
  };
}

/** True if the region's last sector repeats the checksum of the others. exFAT specification, section 3.4. */
async function isChecked(source: ByteSource, offset: number, sectorBytes: number): Promise<boolean> {
  const length = REGION_SECTORS * sectorBytes;
  if (lengthWithin(source.sizeBytes, length, offset) < length) return false;
  const region = await readExactly(source, offset, length);
  const checked = length - sectorBytes;
  let sum = 0;
  for (let at = 0; at < checked; at++) {
    if (!UNCHECKED.has(at)) sum = (((sum << 31) | (sum >>> 1)) + (region[at] ?? 0)) >>> 0;
  }
  for (let at = checked; at < length; at += 4) if (region.readUInt32LE(at) !== sum) return false;
  return true;
}

import type { Partition } from './partition.js';
import type { Probe } from './probe.js';

const ENTRIES_AT = 446;
const ENTRY_BYTES = 16;
/** The type byte of the entry by which a GPT protects itself. */
const PROTECTIVE = 0xee;
const EXTENDED: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);

/** One of the four entries of a boot record. Addresses count in sectors, and of which size those are it does not say. */
export interface MbrEntry {
  readonly type: number;
  readonly startSector: number;
  readonly sectors: number;
}

/** A sector that can be a master boot record. */
export interface BootRecord {
  /** The disk's identifier, of which the partitions' identifiers are made. */
  readonly diskId: number;
  /** Always four. */
  readonly entries: readonly MbrEntry[];
  /** The entry by which a GPT protects itself. */
  readonly protective?: MbrEntry;
}

/** The first sector, if it can be a master boot record: signed, and no entry has an active flag that makes no sense. */
export async function readBootRecord(probe: Probe): Promise<BootRecord | undefined> {
  const sector = await probe.at(0, 512);
  const entries = sector && readEntries(sector);
  if (sector === undefined || entries === undefined) return undefined;
  const protective = entries.find(({ type }) => type === PROTECTIVE);
  const flags = entries.map((_, index) => sector[ENTRIES_AT + index * ENTRY_BYTES] ?? 0);
  if (protective === undefined && flags.some((flag) => flag !== 0 && flag !== 0x80)) return undefined;
  return { diskId: sector.readUInt32LE(440), entries, ...(protective && { protective }) };
}

/** The four entries of a boot record; undefined without its signature. */
export function readEntries(sector: Buffer): MbrEntry[] | undefined {
  if (sector.readUInt16LE(510) !== 0xaa55) return undefined;
  return [0, 1, 2, 3].map((index) => {
    const at = ENTRIES_AT + index * ENTRY_BYTES;
    return {
      type: sector[at + 4] ?? 0,
      startSector: sector.readUInt32LE(at + 8),
      sectors: sector.readUInt32LE(at + 12),
    };
  });
}

export function isExtended({ type, sectors }: MbrEntry): boolean {
  return sectors > 0 && EXTENDED.has(type);
}

/** The entries that stand for a partition; not the extended ones, which hold others. */
export function primaryPartitions({ diskId, entries }: BootRecord, sectorBytes: number): Partition[] {
  return entries.flatMap((entry, index) =>
    isPlain(entry) ? [mbrPartition(entry, diskId, index + 1, entry.startSector * sectorBytes, sectorBytes)] : [],
  );
}

/** True if an entry is used, and not for other entries. */
export function isPlain(entry: MbrEntry): boolean {
  return entry.sectors > 0 && entry.type !== 0 && entry.type !== PROTECTIVE && !isExtended(entry);
}

/** @param startBytes on the disk; what the entry says may count from elsewhere */
export function mbrPartition(
  { type, sectors }: MbrEntry,
  diskId: number,
  number: number,
  startBytes: number,
  sectorBytes: number,
): Partition {
  return {
    number,
    startBytes,
    sizeBytes: sectors * sectorBytes,
    type: `0x${type.toString(16).padStart(2, '0')}`,
    label: '',
    uuid: `${diskId.toString(16).padStart(8, '0')}-${number.toString(16).padStart(2, '0')}`,
  };
}

import { isFilesystemBootSector } from './boot-sector.js';
import { hasContent } from './content.js';
import { readLogicalPartitions } from './extended.js';
import { readGpt } from './gpt.js';
import { type BootRecord, isExtended, primaryPartitions, readBootRecord } from './mbr.js';
import { type Partition, type PartitionTable, SECTOR_SIZES } from './partition.js';
import type { Probe } from './probe.js';

/** There was a partition table, and it can't be used. */
export interface LostTable {
  readonly lost: string;
}

/**
 * The partition table of a disk; undefined when there is none, or only an empty one: then the whole may hold a file
 * system. A boot sector of a file system looks like a boot record: it is one only where its partitions hold something.
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function readPartitionTable(probe: Probe): Promise<PartitionTable | LostTable | undefined> {
  const record = await readBootRecord(probe);
  if (record?.protective !== undefined) {
    const gpt = await readGpt(probe, record.protective.sectors);
    return gpt ?? (await readMbr(probe, record)) ?? { lost: 'neither of its copies is there' };
  }
  const mbr = record && (await readMbr(probe, record));
  return mbr ?? (await readUnprotectedGpt(probe));
}

async function readMbr(probe: Probe, record: BootRecord): Promise<PartitionTable | undefined> {
  const sectorBytes = await mbrSectorBytes(probe, record);
  const primary = primaryPartitions(record, sectorBytes);
  const logical = await readLogicalPartitions(probe, record, sectorBytes);
  const partitions = [...primary, ...logical.partitions];
  if (!partitions.some(({ startBytes }) => startBytes < probe.sizeBytes)) return undefined;
  const sector = await probe.at(0, 512);
  if (sector && isFilesystemBootSector(sector) && !(await anyHasContent(probe, partitions))) return undefined;
  const problems = logical.problem === undefined ? [] : [logical.problem];
  return { scheme: 'mbr', sectorBytes, partitions, problems };
}

/**
 * A master boot record counts in sectors and does not say how long they are: they have the size with which the
 * partitions begin where something begins.
 */
async function mbrSectorBytes(probe: Probe, record: BootRecord): Promise<number> {
  for (const sectorBytes of SECTOR_SIZES) {
    if (await anyHasContent(probe, primaryPartitions(record, sectorBytes))) return sectorBytes;
    const extended = record.entries.find(isExtended);
    const link = extended && (await probe.at(extended.startSector * sectorBytes, 512));
    if (link?.readUInt16LE(510) === 0xaa55) return sectorBytes;
  }
  return SECTOR_SIZES[0];
}

async function anyHasContent(probe: Probe, partitions: readonly Partition[]): Promise<boolean> {
  for (const { startBytes } of partitions) if (startBytes > 0 && (await hasContent(probe, startBytes))) return true;
  return false;
}

/** A GPT that lost its protective record, which Linux ignores: used where nothing else is. */
async function readUnprotectedGpt(probe: Probe): Promise<PartitionTable | LostTable | undefined> {
  if (await hasContent(probe, 0)) return undefined;
  const gpt = await readGpt(probe);
  if (gpt === undefined || 'lost' in gpt) return gpt;
  return { ...gpt, problems: ['the protective MBR before the GPT is gone', ...gpt.problems] };
}

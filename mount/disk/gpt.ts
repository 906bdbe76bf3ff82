import { guidAt } from './guid.js';
import { type Gpt, type GptHeader, readGptHeader } from './gpt-header.js';
import { MAX_PARTITIONS, type Partition, type PartitionTable, SECTOR_SIZES } from './partition.js';
import type { Probe } from './probe.js';

const NO_TYPE = '00000000-0000-0000-0000-000000000000';

/** A GUID partition table; `lost` if there was one and neither of its copies can be used. */
export type GptResult = PartitionTable | { readonly lost: string };

/**
 * The GUID partition table of a disk. The header in the second sector says which size sectors have; when it or its
 * entries are damaged the backup is used.
 * @param protectedSectors the sectors that the protective MBR covers: a disk that grew has its backup at their end
 */
export async function readGpt(probe: Probe, protectedSectors = 0): Promise<GptResult | undefined> {
  const primaries: GptHeader[] = [];
  for (const sectorBytes of SECTOR_SIZES) primaries.push(await readGptHeader(probe, sectorBytes, 1));
  for (const primary of primaries) if (primary.state === 'good') return tableOf(primary.gpt, []);
  for (const [index, sectorBytes] of SECTOR_SIZES.entries()) {
    const primary = primaries[index];
    const backup = await readBackup(probe, sectorBytes, primary, protectedSectors);
    if (backup === undefined) continue;
    const why = primary?.state === 'damaged' ? `is damaged (${primary.why})` : 'is gone';
    return tableOf(backup, [`the primary GPT ${why}; the backup was used`]);
  }
  for (const primary of primaries) if (primary.state === 'damaged') return { lost: primary.why };
  return undefined;
}

/** The backup stands at the end of the disk, where the primary header says, or where the disk ended when it was made. */
async function readBackup(
  probe: Probe,
  sectorBytes: number,
  primary: GptHeader | undefined,
  protectedSectors: number,
): Promise<Gpt | undefined> {
  const last = Math.floor(probe.sizeBytes / sectorBytes) - 1;
  const places = [last, primary?.state === 'damaged' ? primary.alternateLba : 0, protectedSectors];
  for (const lba of new Set(places)) {
    if (lba <= 1) continue;
    const backup = await readGptHeader(probe, sectorBytes, lba);
    if (backup.state === 'good') return backup.gpt;
  }
  return undefined;
}

function tableOf(gpt: Gpt, problems: readonly string[]): PartitionTable {
  const partitions: Partition[] = [];
  for (let at = 0, number = 1; at + gpt.entryBytes <= gpt.entries.length; at += gpt.entryBytes, number++) {
    const partition = partitionAt(gpt, at, number);
    if (partition !== undefined) partitions.push(partition);
  }
  return { scheme: 'gpt', sectorBytes: gpt.sectorBytes, ...limited(partitions, problems) };
}

function limited(
  partitions: readonly Partition[],
  problems: readonly string[],
): Pick<PartitionTable, 'partitions' | 'problems'> {
  if (partitions.length <= MAX_PARTITIONS) return { partitions, problems };
  const more = `of ${partitions.length} partitions the first ${MAX_PARTITIONS} are shown`;
  return { partitions: partitions.slice(0, MAX_PARTITIONS), problems: [...problems, more] };
}

/** The entry at an offset (UEFI specification, section 5.3.3); undefined if it is not used. */
function partitionAt({ entries, sectorBytes }: Gpt, at: number, number: number): Partition | undefined {
  const type = guidAt(entries, at);
  const [first, last] = [entries.readBigUInt64LE(at + 32), entries.readBigUInt64LE(at + 40)];
  if (type === NO_TYPE || last < first) return undefined;
  const name = entries.toString('utf16le', at + 56, at + 128);
  const end = name.indexOf('\0');
  return {
    number,
    startBytes: Number(first) * sectorBytes,
    sizeBytes: Number(last - first + 1n) * sectorBytes,
    type,
    label: (end < 0 ? name : name.slice(0, end)).toWellFormed(),
    uuid: guidAt(entries, at + 16),
  };
}

import { type ByteSource, WindowSource } from '../blocks/byte-source.js';
import type { BlockDevice, Unreadable } from './block-device.js';
import { partitionName } from './device-names.js';
import { NOTHING } from './nothing.js';
import type { Partition, PartitionTable } from './partition.js';
import type { LostTable } from './partition-table.js';
import type { Probe } from './probe.js';

/** The partitions of a disk, or the whole of it when it has none; names are not unique yet. */
export async function examineDisk(
  disk: BlockDevice,
  probe: Probe,
  table: PartitionTable | LostTable | undefined,
): Promise<BlockDevice[]> {
  if (table === undefined) return [disk];
  if ('lost' in table) return [unreadableDisk(disk, lostTable(table.lost))];
  if (table.partitions.length === 0) return [unreadableDisk(disk, EMPTY_TABLE, table.problems)];
  // A CD image that can be written to a USB stick has a partition table, too: both are shown.
  const whole = (await probe.has(32_769, 'CD001')) ? [disk] : [];
  return [...whole, ...partitionDevices(disk, table)];
}

const EMPTY_TABLE: Unreadable = {
  what: 'a disk with a partition table and no partitions',
  hint: 'There is nothing to show: no place for a file system was made on it yet.',
  cause: 'no-files',
};

function lostTable(why: string): Unreadable {
  return {
    what: `a disk whose partition table (GPT) can't be used: ${why}`,
    cause: 'damaged',
    hint:
      'Where its partitions begin is not known, so no files can be shown. Copy the raw volume and let a program that ' +
      'searches for partitions look at the copy: "testdisk" or the recovery menu of "gdisk".',
  };
}

function unreadableDisk(disk: BlockDevice, unreadable: Unreadable, problems: readonly string[] = []): BlockDevice {
  return { ...disk, source: NOTHING, unreadable, problems: [...disk.problems, ...problems] };
}

function partitionDevices(disk: BlockDevice, table: PartitionTable): BlockDevice[] {
  const inOrder = [...table.partitions].sort((a, b) => a.startBytes - b.startBytes || a.number - b.number);
  const overlaps = overlapProblems(disk.name, inOrder);
  return table.partitions.map((partition, index) => {
    const problems = index === 0 ? [...disk.problems, ...table.problems] : [];
    const overlap = overlaps.get(partition);
    if (overlap !== undefined) problems.push(overlap);
    return partitionDevice(disk.name, disk.source, table.scheme, partition, problems);
  });
}

/** Of the partitions that begin inside of another one, the other. */
function overlapProblems(disk: string, inOrder: readonly Partition[]): Map<Partition, string> {
  const problems = new Map<Partition, string>();
  let reaching: Partition | undefined;
  for (const partition of inOrder) {
    if (reaching !== undefined && partition.startBytes < reaching.startBytes + reaching.sizeBytes) {
      problems.set(partition, `it overlaps with ${partitionName(disk, reaching.number)}`);
    }
    const end = partition.startBytes + partition.sizeBytes;
    if (reaching === undefined || end > reaching.startBytes + reaching.sizeBytes) reaching = partition;
  }
  return problems;
}

function partitionDevice(
  disk: string,
  source: ByteSource,
  scheme: PartitionTable['scheme'],
  partition: Partition,
  problems: string[],
): BlockDevice {
  const { number, type, label, uuid, startBytes, sizeBytes } = partition;
  const beyond = startBytes >= source.sizeBytes;
  const window = new WindowSource(source, startBytes, sizeBytes);
  if (!beyond && window.sizeBytes < sizeBytes) {
    problems.push(`it ends ${sizeBytes - window.sizeBytes} bytes after the end of ${disk}; what is there is shown`);
  }
  return {
    name: partitionName(disk, number),
    source: window,
    origin: { kind: 'partition', disk, scheme, number, type, label, uuid, startBytes },
    ...(beyond && { unreadable: outsideOf(disk) }),
    problems,
  };
}

function outsideOf(disk: string): Unreadable {
  return {
    what: `a partition that begins after the end of ${disk}`,
    cause: 'damaged',
    hint:
      'Nothing of it is in this shadow copy: the disk was made smaller, or its partition table is damaged. ' +
      'An older shadow copy may have it.',
  };
}

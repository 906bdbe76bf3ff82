import { BlockCache } from '../blocks/block-cache.js';
import type { ByteSource } from '../blocks/byte-source.js';
import type { BlockDevice, Unreadable } from './block-device.js';
import { hasContent } from './content.js';
import { DeviceNames } from './device-names.js';
import { examineDisk } from './examine-disk.js';
import { readLabel } from './lvm/label.js';
import { type PhysicalVolumeDevice, readVolumeGroups } from './lvm/volume-groups.js';
import { assembleArrays, type MdMemberDevice } from './md/arrays.js';
import type { MdSuperblock } from './md/md-superblock.js';
import { readMdSuperblock } from './md/superblock.js';
import type { PartitionTable } from './partition.js';
import { type LostTable, readPartitionTable } from './partition-table.js';
import { Probe } from './probe.js';

/** What is read here is small and read once. */
const CACHE_BYTES = 4 * 1024 * 1024;
/** Arrays of arrays, volume groups on arrays, tables in logical volumes: as deep as that they are looked into. */
const MAX_LAYERS = 3;

/** A volume of a machine, as a shadow copy has it. */
export interface MachineVolume {
  /** `vda` */
  readonly name: string;
  readonly source: ByteSource;
  /** Set if its bytes can't be had at all. */
  readonly unreadable?: Unreadable;
}

/**
 * Everything in the volumes of one shadow copy of a machine that may hold a file system: whole volumes, partitions,
 * logical volumes, arrays. Whether it does is for the file systems' drivers to say, and for `recognise` after them.
 * @throws {UmbraError} STORE_DAMAGED; what is wrong with the volumes themselves is told in the devices
 */
export async function discover(volumes: readonly MachineVolume[]): Promise<readonly BlockDevice[]> {
  const discovery = new Discovery();
  for (const volume of volumes) {
    await discovery.addDisk({ ...volume, origin: { kind: 'volume' }, problems: [] });
  }
  return nameUniquely(await discovery.finish());
}

function nameUniquely(devices: readonly BlockDevice[]): BlockDevice[] {
  const names = new DeviceNames();
  return devices.map((device) => ({ ...device, name: names.take(device.name) }));
}

class Discovery {
  readonly #cache = new BlockCache(CACHE_BYTES);
  readonly #devices: BlockDevice[] = [];
  #members: MdMemberDevice[] = [];
  #physicalVolumes: PhysicalVolumeDevice[] = [];

  /** Something that may have a partition table, be a part of something, or hold a file system as it is. */
  async addDisk(disk: BlockDevice): Promise<void> {
    if (disk.unreadable !== undefined) {
      this.#devices.push(disk);
      return;
    }
    const probe = new Probe(disk.source, this.#cache);
    const table = await readPartitionTable(probe);
    if (await this.#takePart(disk, probe, table)) return;
    for (const device of await examineDisk(withDamage(disk, probe), probe, table)) await this.#addPartition(device);
  }

  /** All devices, once those that parts form are put together, layer by layer. */
  async finish(): Promise<BlockDevice[]> {
    for (let layer = 0; layer < MAX_LAYERS && this.#members.length > 0; layer++) {
      for (const array of assembleArrays(this.#takeMembers())) await this.addDisk(array);
    }
    for (let layer = 0; layer < MAX_LAYERS && this.#physicalVolumes.length > 0; layer++) {
      const volumes = this.#physicalVolumes;
      this.#physicalVolumes = [];
      for (const volume of await readVolumeGroups(volumes, this.#cache)) await this.addDisk(volume);
    }
    return [...this.#devices, ...this.#leftOver()];
  }

  #takeMembers(): MdMemberDevice[] {
    const members = this.#members;
    this.#members = [];
    return members;
  }

  async #addPartition(device: BlockDevice): Promise<void> {
    const probe = new Probe(device.source, this.#cache);
    const taken = device.unreadable === undefined && (await this.#takePart(device, probe));
    if (!taken) this.#devices.push(withDamage(device, probe));
  }

  /** True if it is a part of an array or of a volume group. */
  async #takePart(device: BlockDevice, probe: Probe, table?: PartitionTable | LostTable): Promise<boolean> {
    const superblock = await readMdSuperblock(probe);
    if (superblock !== undefined && (await isOfWhole(superblock, probe, table))) {
      this.#members.push({ device, superblock });
      return true;
    }
    const label = await readLabel(probe);
    if (label === undefined || (await hasUsedPartition(probe, table))) return false;
    this.#physicalVolumes.push({ device, probe, label });
    return true;
  }

  #leftOver(): BlockDevice[] {
    const parts = [...this.#members, ...this.#physicalVolumes];
    return parts.map(({ device }) => ({
      ...device,
      unreadable: {
        what: 'a part of an array or volume group that is inside of another one, inside of another one',
        hint: 'Umbra looks no deeper. Linux shows it, on loop devices over writable copies of all raw volumes.',
      },
    }));
  }
}

/** The same with what could not be read of it, if anything. */
function withDamage(device: BlockDevice, { damage }: Probe): BlockDevice {
  if (damage === undefined) return device;
  const problem = `a part of it cannot be read: ${damage.message}`;
  return { ...device, problems: [...new Set([...device.problems, problem])] };
}

/**
 * Whether a superblock is that of a whole disk, and not of its last partition, or left behind from before it had
 * partitions.
 */
async function isOfWhole(
  { version, superblockAt }: MdSuperblock,
  probe: Probe,
  table: PartitionTable | LostTable | undefined,
): Promise<boolean> {
  if (version === '1.1' || version === '1.2') return !(await hasUsedPartition(probe, table));
  if (table === undefined || 'lost' in table) return true;
  return !table.partitions.some(
    ({ startBytes, sizeBytes }) => startBytes <= superblockAt && superblockAt < startBytes + sizeBytes,
  );
}

async function hasUsedPartition(probe: Probe, table: PartitionTable | LostTable | undefined): Promise<boolean> {
  if (table === undefined || 'lost' in table) return false;
  for (const { startBytes } of table.partitions) if (await hasContent(probe, startBytes)) return true;
  return false;
}

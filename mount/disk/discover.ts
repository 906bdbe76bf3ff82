import { BlockCache } from '../blocks/block-cache.js';
import type { ByteSource } from '../blocks/byte-source.js';
import type { BlockDevice } from './block-device.js';
import { DeviceNames } from './device-names.js';
import { examineDisk } from './examine-disk.js';
import { readLabel } from './lvm/label.js';
import { type PhysicalVolumeDevice, readVolumeGroups } from './lvm/volume-groups.js';
import { Probe } from './probe.js';

/** What is read here is small and read once. */
const CACHE_BYTES = 4 * 1024 * 1024;

/** A volume of a machine, as a shadow copy has it. */
export interface MachineVolume {
  /** `vda` */
  readonly name: string;
  readonly source: ByteSource;
}

/**
 * Everything in the volumes of one shadow copy of a machine that may hold a file system: whole volumes, partitions,
 * logical volumes, arrays. Whether it does is for the file systems' drivers to say, and for `recognise` after them.
 * @throws {UmbraError} STORE_DAMAGED; what is wrong with the volumes themselves is told in the devices
 */
export async function discover(volumes: readonly MachineVolume[]): Promise<readonly BlockDevice[]> {
  const names = new DeviceNames();
  const discovery = new Discovery();
  for (const { name, source } of volumes) await discovery.addDisk(name, source);
  const devices = await discovery.finish();
  return devices.map((device) => ({ ...device, name: names.take(device.name) }));
}

class Discovery {
  readonly #cache = new BlockCache(CACHE_BYTES);
  readonly #devices: BlockDevice[] = [];
  readonly #physicalVolumes: PhysicalVolumeDevice[] = [];

  async addDisk(name: string, source: ByteSource): Promise<void> {
    for (const device of await examineDisk(name, source, this.#cache)) await this.#add(device);
  }

  async finish(): Promise<BlockDevice[]> {
    return [...this.#devices, ...(await readVolumeGroups(this.#physicalVolumes, this.#cache))];
  }

  async #add(device: BlockDevice): Promise<void> {
    const probe = new Probe(device.source, this.#cache);
    const label = device.unreadable === undefined ? await readLabel(probe) : undefined;
    if (label === undefined) this.#devices.push(device);
    else this.#physicalVolumes.push({ device, probe, label });
  }
}

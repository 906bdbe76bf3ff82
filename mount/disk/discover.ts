import { BlockCache } from '../blocks/block-cache.js';
import { type ByteSource } from '../blocks/byte-source.js';
import type { BlockDevice } from './block-device.js';
import { DeviceNames } from './device-names.js';
import { examineDisk } from './examine-disk.js';

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
  const cache = new BlockCache(CACHE_BYTES);
  const names = new DeviceNames();
  const devices: BlockDevice[] = [];
  for (const { name, source } of volumes) {
    for (const device of await examineDisk(name, source, cache)) {
      devices.push({ ...device, name: names.take(device.name) });
    }
  }
  return devices;
}

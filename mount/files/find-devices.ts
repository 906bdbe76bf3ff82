import type { FilesystemDriver } from '../filesystems/filesystem.js';
import type { FindDevices, GuestContent, GuestDevice, GuestVolume } from './guest-device.js';

/** The file systems that Umbra reads. */
const DRIVERS: readonly FilesystemDriver[] = [];

/** Finds the devices of a machine, each with whatever file system it holds. */
export const findDevices: FindDevices = wholeVolumes(DRIVERS);

/** Finds file systems that take a whole volume, of the kinds that `drivers` read. */
export function wholeVolumes(drivers: readonly FilesystemDriver[]): FindDevices {
  return (volumes) => Promise.resolve(volumes.map((volume) => deviceOf(volume, drivers)));
}

function deviceOf({ name, source }: GuestVolume, drivers: readonly FilesystemDriver[]): GuestDevice {
  return {
    name,
    sizeBytes: source.sizeBytes,
    async open(cache): Promise<GuestContent> {
      for (const driver of drivers) {
        if (await driver.matches(source)) return { filesystem: await driver.open({ source, cache }) };
      }
      return { unreadable: { text: `${name} holds no file system that Umbra knows.\n` } };
    },
  };
}

import { isUmbraError } from '../../src/common/errors.js';
import type { BlockCache } from '../blocks/block-cache.js';
import type { ByteSource } from '../blocks/byte-source.js';
import type { BlockDevice, Unreadable } from '../disk/block-device.js';
import { discover } from '../disk/discover.js';
import { describe, saysNothing } from '../disk/recognise/recognise.js';
import { unreadableText } from '../disk/recognise/unreadable-text.js';
import { btrfsDriver } from '../filesystems/btrfs/driver.js';
import { exfatDriver } from '../filesystems/exfat/exfat-driver.js';
import { extDriver } from '../filesystems/ext/ext.js';
import { fatDriver } from '../filesystems/fat/fat-driver.js';
import type { FilesystemDriver } from '../filesystems/filesystem.js';
import { ntfsDriver } from '../filesystems/ntfs/driver.js';
import { xfsDriver } from '../filesystems/xfs/driver.js';
import { BtrfsPool } from './btrfs-pool.js';
import type { FindDevices, GuestContent, GuestDevice } from './guest-device.js';

/** The file systems that Umbra reads and that lie on one device. */
const DRIVERS: readonly FilesystemDriver[] = [extDriver, xfsDriver, ntfsDriver, exfatDriver, fatDriver];

/** Finds the devices of a machine, each with whatever file system it holds. */
export const findDevices: FindDevices = async (volumes) => {
  const devices = await discover(volumes);
  const pool = new BtrfsPool(devices);
  return devices.map((device): GuestDevice => ({
    name: device.name,
    sizeBytes: device.source.sizeBytes,
    problems: device.problems,
    ...(device.unreadable === undefined ? { source: device.source } : {}),
    open: (cache) => open(device, pool, cache),
  }));
};

async function open(device: BlockDevice, pool: BtrfsPool, cache: BlockCache): Promise<GuestContent> {
  const { source } = device;
  if (device.unreadable !== undefined) return contentOf(device, device.unreadable);
  for (const driver of DRIVERS) {
    if (await driver.matches(source)) return { filesystem: await driver.open({ source, cache }) };
  }
  if (await btrfsDriver.matches(source)) return await pool.open(device, cache);
  const found = await describe(device);
  const byCopy = saysNothing(found) ? await openByCopy(source, cache) : undefined;
  return byCopy ?? contentOf(device, found);
}

function contentOf(device: BlockDevice, unreadable: Unreadable): GuestContent {
  return { unreadable: { text: unreadableText(device, unreadable), cause: unreadable.cause ?? 'not-read' } };
}

/** A file system whose beginning is damaged. What can't be opened may be an older one's remains, and is not told of. */
async function openByCopy(source: ByteSource, cache: BlockCache): Promise<GuestContent | undefined> {
  for (const driver of DRIVERS) {
    if ((await driver.matchesCopy?.(source)) !== true) continue;
    try {
      return { filesystem: await driver.open({ source, cache }) };
    } catch (error) {
      if (!isUmbraError(error, 'FILESYSTEM_DAMAGED', 'FILESYSTEM_UNREADABLE')) throw error;
    }
  }
  return undefined;
}

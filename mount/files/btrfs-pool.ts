import { isUmbraError } from '../../src/common/errors.js';
import type { BlockCache } from '../blocks/block-cache.js';
import type { BlockDevice } from '../disk/block-device.js';
import { openBtrfs, readBtrfsDevice } from '../filesystems/btrfs/driver.js';
import type { GuestContent } from './guest-device.js';

/** Which devices of a machine belong to one btrfs file system: found out when the first of them is looked at. */
export class BtrfsPool {
  readonly #devices: readonly BlockDevice[];
  #fsids: Promise<ReadonlyMap<BlockDevice, string>> | undefined;

  constructor(devices: readonly BlockDevice[]) {
    this.#devices = devices;
  }

  /**
   * The file system that `device` belongs to; it is shown once, under the name of its first device.
   * @throws {UmbraError} FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED
   */
  async open(device: BlockDevice, cache: BlockCache): Promise<GuestContent> {
    const fsids = await (this.#fsids ??= this.#readAll());
    const fsid = fsids.get(device);
    const members = [...fsids].filter(([, other]) => other === fsid).map(([member]) => member);
    if (fsid !== undefined && members[0] !== device) return { nothing: true };
    const others = [...fsids.keys()].filter((other) => other !== device);
    // Others may be seeds of it, which have another identifier: openBtrfs takes what belongs to it.
    return { filesystem: await openBtrfs({ sources: [device, ...others].map(({ source }) => source), cache }) };
  }

  async #readAll(): Promise<ReadonlyMap<BlockDevice, string>> {
    const fsids = new Map<BlockDevice, string>();
    try {
      for (const device of this.#devices) {
        const fsid = device.unreadable === undefined ? await fsidOf(device) : undefined;
        if (fsid !== undefined) fsids.set(device, fsid);
      }
    } catch (error) {
      // The store may be healed when somebody looks again.
      this.#fsids = undefined;
      throw error;
    }
    return fsids;
  }
}

async function fsidOf({ source }: BlockDevice): Promise<string | undefined> {
  try {
    return (await readBtrfsDevice(source))?.fsid;
  } catch (error) {
    if (isUmbraError(error, 'FILESYSTEM_DAMAGED', 'FILESYSTEM_UNREADABLE')) return undefined;
    throw error;
  }
}

import { UmbraError } from '../../src/common/errors.js';
import { blockDeviceUse, writableLoopDevices } from '../../src/system/block-device-users.js';
import { findOpeners, type FileOpener } from '../../src/system/open-files.js';

const HINT = 'Shut the machine down, or back up a snapshot of the image.';

/** The error for an image that a QEMU program has locked; it names the program if this user may know it. */
export async function writtenByQemu(path: string, realPath: string): Promise<UmbraError> {
  const openers = await findOpeners(realPath);
  const writers = openers.filter((opener) => opener.writable);
  return inUse(
    path,
    writers.length > 0 ? `is being written by ${names(writers)}` : 'is being written by a QEMU program',
  );
}

/**
 * Hypervisors other than QEMU take no locks that could be asked for, so every program that has a
 * file of the image open for writing counts, and so does a loop device.
 * @throws {UmbraError} IMAGE_IN_USE
 */
export async function refuseWriters(
  files: readonly { readonly path: string; readonly realPath: string }[],
): Promise<void> {
  const writers = (await findOpeners(...files.map((file) => file.realPath))).filter((opener) => opener.writable);
  for (const { path, realPath } of files) {
    const mine = writers.filter((writer) => writer.path === realPath);
    if (mine.length > 0) throw inUse(path, `is open for writing in ${names(mine)}`);
    const [loop] = await writableLoopDevices(realPath);
    if (loop !== undefined) {
      throw new UmbraError('IMAGE_IN_USE', `${path} can be written through ${loop}`, {
        hint: `Unmount it and detach it with "losetup --detach ${loop}", or attach it with "losetup --read-only".`,
      });
    }
  }
}

/** The error for a block device that refused to be opened exclusively. */
export async function deviceInUse(path: string, realPath: string, rdev: bigint): Promise<UmbraError> {
  const use = await blockDeviceUse(rdev);
  if (use !== undefined) {
    return new UmbraError('IMAGE_IN_USE', `${path} is ${use}`, {
      hint: 'Unmount it, or back up a snapshot of it (for example one made by "lvcreate --snapshot").',
    });
  }
  const openers = await findOpeners(realPath);
  return inUse(path, openers.length > 0 ? `is in use by ${names(openers)}` : 'is in use by another program');
}

function inUse(path: string, what: string): UmbraError {
  return new UmbraError('IMAGE_IN_USE', `${path} ${what}`, { hint: HINT });
}

function names(openers: readonly FileOpener[]): string {
  return openers.map(({ name, pid }) => `${name} (process ${pid})`).join(', ');
}

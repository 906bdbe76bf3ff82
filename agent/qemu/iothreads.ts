import { list, text } from '../json-values.js';
import type { QemuDisk } from './disks.js';
import type { QmpClient } from './qmp.js';

/**
 * The disks that QEMU serves in a thread of their own (`iothread=`), by volume: the controller has it, and a virtio-blk disk is
 * its own controller.
 * @throws {UmbraError} TRACKER_FAILED
 */
export async function disksWithIothread(qmp: QmpClient, disks: readonly QemuDisk[]): Promise<string[]> {
  if (list(await qmp.execute('query-iothreads')).length === 0) return [];
  const found: string[] = [];
  for (const { volume, devicePath } of disks) {
    const controllers = [devicePath, parentOf(devicePath), await controllerOf(qmp, devicePath)];
    for (const path of controllers) {
      if (path === undefined || (await property(qmp, path, 'iothread')) === undefined) continue;
      found.push(volume);
      break;
    }
  }
  return found;
}

/** Of a SCSI disk; the bus is a child of the controller. */
async function controllerOf(qmp: QmpClient, devicePath: string): Promise<string | undefined> {
  const bus = await property(qmp, devicePath, 'parent_bus');
  return bus === undefined ? undefined : parentOf(bus);
}

function parentOf(path: string): string {
  return path.replace(/\/[^/]+$/, '');
}

/** Undefined if there is no such property, or it is empty. */
async function property(qmp: QmpClient, path: string, name: string): Promise<string | undefined> {
  try {
    return text(await qmp.execute('qom-get', { path, property: name }));
  } catch (error) {
    if (qmp.failure) throw error;
    return undefined;
  }
}

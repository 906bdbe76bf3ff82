import { UmbraError } from '../../../src/common/errors.js';
import type { QemuDisk } from '../../qemu/disks.js';
import { disksWithIothread } from '../../qemu/iothreads.js';
import { isMigrating } from '../../qemu/machine-status.js';
import type { QmpClient } from '../../qemu/qmp.js';

/**
 * A copy-before-write filter that gives up its view rather than a guest's write, and exports with a bitmap of another node.
 * @throws {UmbraError} TRACKER_UNAVAILABLE
 */
export function refuseOldQemu(qmp: QmpClient): void {
  if (isAtLeast(qmp.version, 7, 1)) return;
  throw new UmbraError('TRACKER_UNAVAILABLE', `QEMU ${qmp.version.join('.')} cannot give a stable view of its disks`, {
    hint: 'QEMU 7.1 or newer can; until then, use another tracker.',
  });
}

/**
 * A machine that comes or goes has two QEMUs, and its bitmaps may be with either.
 * @throws {UmbraError} TRACKER_UNAVAILABLE
 */
export async function refuseMigrating(qmp: QmpClient): Promise<void> {
  if (!(await isMigrating(qmp))) return;
  throw new UmbraError('TRACKER_UNAVAILABLE', 'the machine is being migrated', {
    hint: 'Try again when it has arrived.',
  });
}

/**
 * Before 9.1, QEMU may abort when an NBD client leaves whose export is served in an iothread (7.2.22 of Debian 12 does:
 * `nbd_blockdev_client_closed: Assertion qemu_in_main_thread() failed`). No backup is worth a guest.
 * @throws {UmbraError} TRACKER_UNAVAILABLE
 */
export async function refuseIothreads(qmp: QmpClient, disks: readonly QemuDisk[]): Promise<void> {
  if (!isAtLeast(qmp.version, 9, 1)) refuseThreads(qmp.version, await disksWithIothread(qmp, disks));
}

/**
 * @param volumes - the disks with an iothread
 * @throws {UmbraError} TRACKER_UNAVAILABLE
 */
export function refuseThreads(version: QmpClient['version'], volumes: readonly string[]): void {
  if (volumes.length === 0 || isAtLeast(version, 9, 1)) return;
  const what = `QEMU ${version.join('.')} may crash when disks with an iothread are read: ${volumes.join(', ')}`;
  throw new UmbraError('TRACKER_UNAVAILABLE', what, {
    hint: 'Take the iothread from these disks, use QEMU 9.1 or newer, or use another tracker.',
  });
}

function isAtLeast([major, minor]: QmpClient['version'], wantedMajor: number, wantedMinor: number): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

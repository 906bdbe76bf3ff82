import { UmbraError } from '../../src/common/errors.js';
import type { Domain } from './domain.js';
import type { Libvirt } from './libvirt.js';

/**
 * While a job works on a disk, libvirt begins no backup, puts no overlay on it, and merges none.
 * @param disks - by their targets
 * @throws {UmbraError} TRACKER_BUSY, HYPERVISOR_*
 */
export async function refuseBlockJobs(libvirt: Libvirt, domain: Domain, disks: readonly string[]): Promise<void> {
  for (const disk of disks) {
    if ((await libvirt.blockJob(domain, disk)) !== undefined) throw busyDisk(domain, disk);
  }
}

export function busyDisk({ name }: Domain, disk: string): UmbraError {
  return new UmbraError('TRACKER_BUSY', `another program's job of ${disk} of ${name} runs`, {
    hint: `Wait until it has ended, or end it ("virsh blockjob ${name} ${disk}").`,
  });
}

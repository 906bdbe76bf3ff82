import { isUmbraError, messageOf } from '../../../src/common/errors.js';
import type { Domain } from '../../libvirt/domain.js';
import type { Libvirt } from '../../libvirt/libvirt.js';
import { libvirtNumber } from '../../libvirt/libvirt-error.js';
import { LIBVIRT_ERROR } from '../../libvirt/protocol.js';
import { recordedDisks, type RecordedDisk } from './backup-xml.js';
import type { MadeCheckpoints } from './made-checkpoints.js';
import { isOurCheckpoint } from './names.js';

/**
 * Delete a checkpoint with its bitmaps; if QEMU has lost some of them, what libvirt knows of it: then the others are left. It is gone
 * when this resolves.
 * @throws {UmbraError} HYPERVISOR_*
 */
export async function deleteCheckpoint(
  libvirt: Libvirt,
  domain: Domain,
  name: string,
  made: MadeCheckpoints,
): Promise<void> {
  try {
    await libvirt.deleteCheckpoint(domain, name, 'all');
    await made.remove(name);
  } catch (error) {
    if (libvirtNumber(error) === LIBVIRT_ERROR.noDomainCheckpoint) return;
    if (!isUmbraError(error, 'HYPERVISOR_FAILED')) throw error;
    await made.add(name);
    await libvirt.deleteCheckpoint(domain, name, 'metadata');
  }
}

/** Whether libvirt has lost the bitmaps of a checkpoint, or the checkpoint: a backup since then can't be had. */
export function saysCheckpointLost(error: unknown): boolean {
  const number = libvirtNumber(error);
  return number === LIBVIRT_ERROR.checkpointInconsistent || number === LIBVIRT_ERROR.noDomainCheckpoint;
}

/** Delete all checkpoints of ours but one. @throws {UmbraError} HYPERVISOR_* */
export async function deleteOthers(
  libvirt: Libvirt,
  domain: Domain,
  kept: string | undefined,
  made: MadeCheckpoints,
): Promise<void> {
  for (const name of await libvirt.checkpoints(domain)) {
    if (isOurCheckpoint(name) && name !== kept) await deleteCheckpoint(libvirt, domain, name, made);
  }
}

/** The disks that a checkpoint of ours has recorded; or why it is of no use, for people. */
export async function readCheckpoint(
  libvirt: Libvirt,
  domain: Domain,
  name: string,
): Promise<ReadonlyMap<string, RecordedDisk> | string> {
  try {
    return recordedDisks(await libvirt.checkpointXml(domain, name));
  } catch (error) {
    if (libvirtNumber(error) === LIBVIRT_ERROR.noDomainCheckpoint)
      return 'libvirt has no checkpoint of the last backup';
    if (isUmbraError(error, 'HYPERVISOR_FAILED', 'CONFIG_UNREADABLE')) return messageOf(error);
    throw error;
  }
}

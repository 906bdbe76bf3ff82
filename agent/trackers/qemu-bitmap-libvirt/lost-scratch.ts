import { readdir } from 'node:fs/promises';
import { messageOf } from '../../../src/common/errors.js';
import type { Log } from '../../../src/common/log.js';
import { list, record, text } from '../../json-values.js';
import type { Domain } from '../../libvirt/domain.js';
import type { Libvirt } from '../../libvirt/libvirt.js';
import { machineState } from '../../libvirt/machine-state.js';
import { LibvirtMonitor } from '../../libvirt/monitor.js';
import { isScratchPath, SCRATCH_PREFIX } from './names.js';
import { removeLeftovers, type WorkPlaces } from './work-directory.js';

/** What agents have left that were killed, or whose libvirt was. Only when no backup of ours runs. Never rejects but for system errors. */
export async function removeLeft(
  libvirt: Libvirt,
  domain: Domain,
  places: WorkPlaces,
  { machine, log }: { readonly machine: string; readonly log: Log },
): Promise<void> {
  try {
    await freeLostScratch(libvirt, domain, places.scratchDirectory);
  } catch (error) {
    // That there are files says that it is to be tried again.
    log.warn('scratch files of an earlier backup are still in use', { machine, reason: messageOf(error) });
    return;
  }
  await removeLeftovers(places);
}

/**
 * Have QEMU let go of the scratch files of a backup that libvirt has forgotten, as it was killed before it did so: their room would come
 * back only when the machine is shut down. Not while a backup runs. QEMU is asked only where an agent has left such files: libvirt marks
 * a domain whose monitor was used past it.
 * @throws {UmbraError} TRACKER_FAILED, HYPERVISOR_*; system errors
 */
async function freeLostScratch(libvirt: Libvirt, domain: Domain, scratchDirectory: string): Promise<void> {
  const names = await readdir(scratchDirectory);
  if (!names.some((name) => name.startsWith(SCRATCH_PREFIX))) return;
  if (machineState(await libvirt.state(domain)) === 'off') return;
  const monitor = new LibvirtMonitor(libvirt, domain);
  const nodes = list(await monitor.execute('query-named-block-nodes', { flat: true })).map(record);
  const lost = nodes.filter(({ file }) => isScratchPath(text(file) ?? '', scratchDirectory));
  const isFile = ({ drv }: Readonly<Record<string, unknown>>): boolean => drv === 'file';
  // An image is in the way of its file's removal.
  for (const { 'node-name': node } of [...lost.filter((each) => !isFile(each)), ...lost.filter(isFile)])
    await monitor.execute('blockdev-del', { 'node-name': node });
}

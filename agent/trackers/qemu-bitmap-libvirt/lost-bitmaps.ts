import { UmbraError } from '../../../src/common/errors.js';
import { describeDomain, type DomainDisk } from '../../discovery/domain-xml.js';
import { qemuInfo } from '../../images/qemu-info.js';
import { list, record, text } from '../../json-values.js';
import type { Domain, Libvirt } from '../../libvirt/libvirt.js';
import { parseBitmaps } from '../../qemu/disks.js';
import { isOurCheckpoint } from './names.js';

/**
 * Take away the bitmaps of ours that no checkpoint of libvirt's is of: when libvirt forgets a domain, its checkpoints go, and the
 * bitmaps stay in the images, where whoever starts it again records in them for ever.
 * @throws {UmbraError} TRACKER_FAILED, HYPERVISOR_*, IMAGE_*, PROGRAM_MISSING
 */
export async function removeLostBitmaps(libvirt: Libvirt, domain: Domain): Promise<void> {
  const known = await libvirt.checkpoints(domain);
  const isLost = ({ name }: { readonly name: string }): boolean => isOurCheckpoint(name) && !known.includes(name);
  const { disks } = describeDomain(await libvirt.xml(domain, 'current'), `the XML of ${domain.name}`);
  if (!(await haveBitmap(disks, isLost))) return;
  // Asked only here: libvirt marks a domain whose monitor was used past it.
  for (const node of list(await ask(libvirt, domain, 'query-named-block-nodes', { flat: true })).map(record)) {
    for (const { name } of parseBitmaps(node['dirty-bitmaps']).filter(isLost)) {
      await ask(libvirt, domain, 'block-dirty-bitmap-remove', { node: node['node-name'], name });
    }
  }
}

/** What the images kept when their last QEMU ended is in them as long as this one runs. */
async function haveBitmap(
  disks: readonly DomainDisk[],
  isWanted: (bitmap: { readonly name: string }) => boolean,
): Promise<boolean> {
  for (const { path, format } of disks) {
    if (format === 'qcow2' && (await qemuInfo(path, format)).bitmaps.some(isWanted)) return true;
  }
  return false;
}

async function ask(
  libvirt: Libvirt,
  domain: Domain,
  execute: string,
  args: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const command = JSON.stringify({ execute, arguments: args });
  const answer = record(JSON.parse(await libvirt.monitorCommand(domain, command, 'qmp')));
  if ('return' in answer) return answer['return'];
  const why = text(record(answer['error'])['desc']) ?? 'no reason given';
  throw new UmbraError('TRACKER_FAILED', `QEMU refused ${execute}: ${why}`);
}

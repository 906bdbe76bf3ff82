import type { Domain } from '../../libvirt/domain.js';
import type { Libvirt } from '../../libvirt/libvirt.js';
import { count, record } from '../../json-values.js';
import { child, descendants, parseXml, type XmlElement } from '../../xml.js';
import { refuseThreads } from '../qemu-bitmap/abilities.js';

/**
 * Also through libvirt, QEMU 7.2 ends, and the guest with it, when the reader of a disk with an iothread leaves.
 * @param wanted - names of the disks that are to be read
 * @throws {UmbraError} TRACKER_UNAVAILABLE, HYPERVISOR_*
 */
export async function refuseDomainThreads(libvirt: Libvirt, domain: Domain, wanted: readonly string[]): Promise<void> {
  const xml = parseXml(await libvirt.xml(domain, 'current'), `the XML of ${domain.name}`);
  const volumes = disksWithThread(xml).filter((name) => wanted.includes(name));
  if (volumes.length === 0) return;
  // Asked only here: libvirt marks a domain whose monitor was used past it.
  const answer = record(JSON.parse(await libvirt.monitorCommand(domain, '{"execute":"query-version"}', 'qmp')));
  const { major, minor } = record(record(answer['return'])['qemu']);
  refuseThreads([count(major) ?? 0, count(minor) ?? 0], volumes);
}

/** The disks whose driver has a thread, or the driver of their SCSI controller. */
export function disksWithThread(domain: XmlElement): string[] {
  const controllers = descendants(domain, 'devices', 'controller')
    .filter((controller) => controller.attributes.get('type') === 'scsi' && hasThread(controller))
    .map(({ attributes }) => attributes.get('index') ?? '0');
  return descendants(domain, 'devices', 'disk').flatMap((disk) => {
    const target = child(disk, 'target')?.attributes;
    const controller = child(disk, 'address')?.attributes.get('controller') ?? '0';
    const isThreaded = hasThread(disk) || (target?.get('bus') === 'scsi' && controllers.includes(controller));
    return isThreaded ? [target?.get('dev') ?? ''] : [];
  });
}

function hasThread(element: XmlElement): boolean {
  const driver = child(element, 'driver');
  return driver?.attributes.has('iothread') === true || child(driver, 'iothreads') !== undefined;
}

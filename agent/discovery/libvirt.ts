import { isUmbraError, messageOf } from '../../src/common/errors.js';
import type { DiscoveredMachine, DiscoveredVolume } from '../../src/protocol/agents-api.js';
import { Slots } from '../images/nbd/slots.js';
import { uuidText, type Domain } from '../libvirt/domain.js';
import type { Libvirt } from '../libvirt/libvirt.js';
import { machineState } from '../libvirt/machine-state.js';
import { allBehind } from './backing-chain.js';
import { describeDomain, type DomainDisk } from './domain-xml.js';
import type { Found } from './found.js';

/** libvirt serves five calls of a client at once. */
const DOMAINS_AT_ONCE = 4;

/**
 * All domains that libvirt has, running or not.
 * @throws {UmbraError} HYPERVISOR_*
 */
export async function discoverLibvirt(libvirt: Libvirt): Promise<Found> {
  const machines: DiscoveredMachine[] = [];
  const notes: string[] = [];
  const slots = new Slots(DOMAINS_AT_ONCE);
  const domains = await libvirt.domains();
  for (const result of await Promise.all(domains.map((domain) => slots.use(() => describe(domain))))) {
    if (typeof result === 'string') notes.push(result);
    else if (result !== undefined) machines.push(result);
  }
  return { machines, notes };

  async function describe(domain: Domain): Promise<DiscoveredMachine | string | undefined> {
    try {
      return await machineOf(libvirt, domain);
    } catch (error) {
      // It was undefined since it was listed.
      if (isUmbraError(error, 'NOT_FOUND')) return undefined;
      if (isUmbraError(error, 'HYPERVISOR_UNREACHABLE')) throw error;
      return `libvirt's domain ${domain.name} is left out: ${messageOf(error)}`;
    }
  }
}

/**
 * A domain's XML as files of a shadow copy: `domain.xml` as it will start the next time, and for one that runs `live.xml`.
 * Passwords are left out of both.
 * @throws {UmbraError} HYPERVISOR_*, NOT_FOUND
 */
export async function libvirtConfig(
  libvirt: Libvirt,
  domain: Domain,
): Promise<readonly { readonly name: string; readonly data: Uint8Array }[]> {
  const inactive = await libvirt.xml(domain, 'inactive');
  const files = [{ name: 'domain.xml', data: Buffer.from(inactive) }];
  if (machineState(await libvirt.state(domain)) !== 'off') {
    files.push({ name: 'live.xml', data: Buffer.from(await libvirt.xml(domain, 'current')) });
  }
  return files;
}

async function machineOf(libvirt: Libvirt, domain: Domain): Promise<DiscoveredMachine> {
  const state = await libvirt.state(domain);
  const { name, disks, skipped } = describeDomain(await libvirt.xml(domain, 'current'), `the XML of ${domain.name}`);
  const volumes: DiscoveredVolume[] = [];
  for (const disk of disks) volumes.push(await volumeOf(libvirt, domain, disk));
  return {
    name,
    uuid: uuidText(domain.uuid),
    source: 'libvirt',
    state: machineState(state),
    volumes,
    skipped,
    configPaths: [],
  };
}

async function volumeOf(libvirt: Libvirt, domain: Domain, disk: DomainDisk): Promise<DiscoveredVolume> {
  const { name, path, format } = disk;
  const backing = await allBehind(disk);
  // It can't be measured while its image is missing.
  const block = await libvirt.blockInfo(domain, name).catch(() => undefined);
  return { name, path, format, backing, ...(block && { sizeBytes: block.capacityBytes }) };
}

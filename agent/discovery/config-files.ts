import { extname } from 'node:path';
import { messageOf } from '../../src/common/errors.js';
import type { DiscoveredMachine, DiscoveredVolume } from '../../src/protocol/agents-api.js';
import { MAX_XML_BYTES, parseXml, type XmlElement } from '../xml.js';
import { allBehind } from './backing-chain.js';
import { domainOf } from './domain-xml.js';
import type { Found } from './found.js';
import { readTextFile } from './read-text.js';
import { machineOfVbox } from './vbox.js';
import { machineOfVmx } from './vmx.js';
import { walk } from './walk.js';

/** Machines lie in folders of their own; a folder of folders is enough. */
const LIMITS = { maxDepth: 4, maxEntries: 50_000 };
const MAX_BYTES = MAX_XML_BYTES;
const EXTENSIONS = ['.xml', '.vmx', '.vbox'];

/**
 * The machines that configuration files below a directory describe: libvirt's XML, VMware's .vmx, VirtualBox's .vbox.
 * A file that can't be understood is a note.
 * @param directory - absolute
 */
export async function discoverConfigFiles(directory: string): Promise<Found> {
  const { files, notes } = await walk(directory, LIMITS, (name) => EXTENSIONS.includes(extname(name).toLowerCase()));
  const machines: DiscoveredMachine[] = [];
  const more: string[] = [];
  for (const { path } of files) {
    try {
      const machine = await machineOf(path, await readTextFile(path, MAX_BYTES));
      if (machine !== undefined) machines.push(machine);
    } catch (error) {
      more.push(messageOf(error));
    }
  }
  return { machines, notes: [...notes, ...more] };
}

async function machineOf(path: string, text: string): Promise<DiscoveredMachine | undefined> {
  if (path.toLowerCase().endsWith('.vmx')) return await machineOfVmx(path, text);
  const root = parseXml(text, path);
  if (path.toLowerCase().endsWith('.vbox')) return machineOfVbox(path, root);
  // libvirt keeps networks and the like beside its domains.
  return root.name === 'domain' ? await machineOfDomain(path, root) : undefined;
}

async function machineOfDomain(path: string, root: XmlElement): Promise<DiscoveredMachine> {
  const { name, uuid, disks, skipped } = domainOf(root, path);
  const volumes: DiscoveredVolume[] = [];
  for (const disk of disks) {
    const { name: volume, path: image, format } = disk;
    volumes.push({ name: volume, path: image, format, backing: await allBehind(disk) });
  }
  return {
    name,
    ...(uuid !== undefined && { uuid }),
    source: 'config-file',
    state: 'unknown',
    volumes,
    skipped,
    configPaths: [path],
  };
}

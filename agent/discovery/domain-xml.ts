import { isAbsolute } from 'node:path';
import { UmbraError } from '../../src/common/errors.js';
import type { SkippedVolume } from '../../src/protocol/agents-api.js';
import type { ImageFormat } from '../../src/protocol/api.js';
import { child, descendants, parseXml, type XmlElement } from '../xml.js';
import { imageFormat } from './formats.js';

/** A disk as a domain's XML describes it. */
export interface DomainDisk {
  /** Its target: `vda`. */
  readonly name: string;
  readonly path: string;
  readonly format: ImageFormat;
  /** What the XML says is behind it, the nearest first; `allBehind` says all. */
  readonly backing: readonly string[];
  /** The last layer that it names, unless it says that nothing is behind that: then its own header does. */
  readonly last?: DomainLayer;
}

export interface DomainLayer {
  readonly path: string;
  readonly format: ImageFormat;
}

export interface DomainDescription {
  readonly name: string;
  readonly uuid: string | undefined;
  readonly disks: readonly DomainDisk[];
  readonly skipped: readonly SkippedVolume[];
}

const MAX_LAYERS = 256;

/**
 * Understand a domain's XML (libvirt.org/formatdomain.html), live or not.
 * @param what - names the XML in errors
 * @throws {UmbraError} CONFIG_UNREADABLE
 */
export function describeDomain(xml: string, what: string): DomainDescription {
  return domainOf(parseXml(xml, what), what);
}

/**
 * As {@link describeDomain}, of a document's root element.
 * @throws {UmbraError} CONFIG_UNREADABLE
 */
export function domainOf(domain: XmlElement, what: string): DomainDescription {
  const name = child(domain, 'name')?.text;
  if (domain.name !== 'domain' || name === undefined || name === '') {
    throw new UmbraError('CONFIG_UNREADABLE', `${what} describes no libvirt domain`);
  }
  const disks: DomainDisk[] = [];
  const skipped: SkippedVolume[] = [];
  for (const [index, element] of descendants(domain, 'devices', 'disk').entries()) {
    const disk = describeDisk(element, index);
    if ('reason' in disk) skipped.push(disk);
    else disks.push(disk);
  }
  const uuid = child(domain, 'uuid')?.text.toLowerCase();
  return { name, uuid: uuid === '' ? undefined : uuid, disks, skipped };
}

function describeDisk(disk: XmlElement, index: number): DomainDisk | SkippedVolume {
  const name = child(disk, 'target')?.attributes.get('dev') ?? `disk ${index}`;
  const reason = whyNot(disk);
  if (reason !== undefined) return { name, reason };
  const path = sourcePath(disk);
  if (path === undefined) return { name, reason: 'it has no image' };
  if (!isAbsolute(path)) return { name, reason: `its image ${path} has no absolute path` };
  // libvirt takes a disk for raw when nothing is said; it never guesses, as a guest could write any header.
  const formatName = child(disk, 'driver')?.attributes.get('type') ?? 'raw';
  const format = imageFormat(formatName);
  if (format === undefined) return { name, reason: `its format ${formatName} is not supported` };
  return { name, path, format, ...backingOf(disk, { path, format }) };
}

const DEVICES = new Map([
  ['cdrom', 'it is a CD drive'],
  ['floppy', 'it is a floppy drive'],
  ['lun', 'it is a SCSI device passed through'],
]);

const TYPES = new Map([
  ['network', 'it lies in the network'],
  ['volume', 'it is a volume of a storage pool'],
  ['dir', 'it is a directory shown as a disk'],
  ['nvme', 'it is an NVMe device passed through'],
  ['vhostuser', 'another program serves it (vhost-user)'],
  ['vhostvdpa', 'it is a vDPA device'],
]);

function whyNot(disk: XmlElement): string | undefined {
  const device = DEVICES.get(disk.attributes.get('device') ?? 'disk');
  if (device !== undefined) return device;
  const type = disk.attributes.get('type') ?? 'file';
  if (type !== 'file' && type !== 'block') return TYPES.get(type) ?? `its type ${type} is not supported`;
  const isEncrypted = child(disk, 'encryption') ?? child(child(disk, 'source'), 'encryption');
  return isEncrypted === undefined ? undefined : 'it is encrypted by QEMU';
}

/** Of a disk, or of a layer behind it. */
function sourcePath(element: XmlElement): string | undefined {
  const source = child(element, 'source');
  return source?.attributes.get('file') ?? source?.attributes.get('dev');
}

function backingOf(disk: XmlElement, image: DomainLayer): Pick<DomainDisk, 'backing' | 'last'> {
  const backing: string[] = [];
  let last: DomainLayer | undefined = image;
  let layer = child(disk, 'backingStore');
  while (layer !== undefined && backing.length < MAX_LAYERS) {
    const path = sourcePath(layer);
    // An element without content says that there is nothing more behind; a definition ends without one.
    if (path === undefined) return { backing };
    backing.push(path);
    const format = imageFormat(child(layer, 'format')?.attributes.get('type') ?? 'raw');
    last = format && { path, format };
    layer = child(layer, 'backingStore');
  }
  return { backing, ...(last && { last }) };
}

import { dirname, resolve } from 'node:path';
import { UmbraError } from '../../src/common/errors.js';
import type { DiscoveredMachine, DiscoveredVolume, SkippedVolume } from '../../src/protocol/agents-api.js';
import type { ImageFormat } from '../../src/protocol/api.js';
import { child, descendants, type XmlElement } from '../xml.js';
import { VolumeNames } from './volume-names.js';

/*
 * VirtualBox's .vbox (src/VBox/Main/xml/VirtualBox-settings.xsd): a machine's disks are named by UUID; the media registry says
 * where they lie, relative to the .vbox, and keeps a differencing image inside of the one that it differs from. Before version 7
 * the storage controllers stood beside <Hardware>, since then inside. Those of <Snapshot> are the past.
 */

/** An image of the media registry. */
interface Medium {
  readonly path: string;
  readonly formatName: string;
  readonly encrypted: boolean;
  /** The images behind it, the nearest first. */
  readonly backing: readonly string[];
}

const FORMATS: ReadonlyMap<string, ImageFormat> = new Map([
  ['vdi', 'vdi'],
  ['vmdk', 'vmdk'],
  ['vhd', 'vpc'],
  ['vhdx', 'vhdx'],
  ['raw', 'raw'],
]);
const DEVICES = new Map([
  ['DVD', 'it is a CD drive'],
  ['Floppy', 'it is a floppy drive'],
]);
const WINDOWS_PATH = /^[A-Za-z]:[\\/]|^\\\\/;

/**
 * The machine that a .vbox describes.
 * @param path - absolute
 * @throws {UmbraError} CONFIG_UNREADABLE
 */
export function machineOfVbox(path: string, root: XmlElement): DiscoveredMachine {
  const machine = child(root, 'Machine');
  const name = machine?.attributes.get('name') ?? '';
  if (machine === undefined || name === '') {
    throw new UmbraError('CONFIG_UNREADABLE', `${path} describes no machine of VirtualBox`, {
      hint: 'If the machine is encrypted, only VirtualBox can read it.',
    });
  }
  const media = new Map<string, Medium>();
  for (const disk of descendants(machine, 'MediaRegistry', 'HardDisks', 'HardDisk')) addMedium(media, path, disk, []);
  const volumes: DiscoveredVolume[] = [];
  const skipped: SkippedVolume[] = [];
  for (const { label, device } of attachedDevices(machine)) {
    const volume = volumeOf(media, label, device);
    if ('reason' in volume) skipped.push(volume);
    else volumes.push(volume);
  }
  const uuid = uuidOf(machine.attributes.get('uuid'));
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

function addMedium(media: Map<string, Medium>, vboxPath: string, disk: XmlElement, backing: readonly string[]): void {
  const location = disk.attributes.get('location') ?? '';
  const path = WINDOWS_PATH.test(location) ? location : resolve(dirname(vboxPath), location);
  const encrypted = descendants(disk, 'Property').some(({ attributes }) => attributes.get('name') === 'CRYPT/KeyId');
  const uuid = uuidOf(disk.attributes.get('uuid'));
  const formatName = disk.attributes.get('format') ?? '';
  if (uuid !== undefined && location !== '') media.set(uuid, { path, formatName, encrypted, backing });
  for (const differing of descendants(disk, 'HardDisk')) addMedium(media, vboxPath, differing, [path, ...backing]);
}

function attachedDevices(machine: XmlElement): { readonly label: string; readonly device: XmlElement }[] {
  const names = new VolumeNames();
  const controllers = [
    ...descendants(machine, 'Hardware', 'StorageControllers', 'StorageController'),
    ...descendants(machine, 'StorageControllers', 'StorageController'),
  ];
  return controllers.flatMap((controller) =>
    descendants(controller, 'AttachedDevice').map((device) => {
      const place = [controller.attributes.get('name'), device.attributes.get('port'), device.attributes.get('device')];
      return { label: names.name(place.map((part) => part ?? '').join('-')), device };
    }),
  );
}

function volumeOf(
  media: ReadonlyMap<string, Medium>,
  name: string,
  device: XmlElement,
): DiscoveredVolume | SkippedVolume {
  const type = device.attributes.get('type') ?? '';
  if (type !== 'HardDisk') return { name, reason: DEVICES.get(type) ?? `its type ${type} is not supported` };
  const uuid = uuidOf(child(device, 'Image')?.attributes.get('uuid'));
  if (uuid === undefined) return { name, reason: 'it has no image' };
  const medium = media.get(uuid);
  if (medium === undefined) return { name, reason: `its image {${uuid}} is not in the machine's media registry` };
  if (WINDOWS_PATH.test(medium.path)) return { name, reason: `its image ${medium.path} lies on Windows` };
  if (medium.encrypted) return { name, reason: 'it is encrypted by VirtualBox' };
  const format = FORMATS.get(medium.formatName.toLowerCase());
  if (format === undefined) return { name, reason: `its format ${medium.formatName} is not supported` };
  return { name, path: medium.path, format, backing: medium.backing };
}

/** VirtualBox writes them in braces. */
function uuidOf(text = ''): string | undefined {
  return /^\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?$/i.exec(text)?.[1]?.toLowerCase();
}

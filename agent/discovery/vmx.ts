import { dirname, resolve } from 'node:path';
import { messageOf, UmbraError } from '../../src/common/errors.js';
import type { DiscoveredMachine, DiscoveredVolume, SkippedVolume } from '../../src/protocol/agents-api.js';
import { readVmdk, vmdkParents } from './vmdk.js';
import { VolumeNames } from './volume-names.js';

/*
 * VMware's .vmx: a line `key = "value"` for each setting; keys have no case. Quotes and the like stand as |22 in values
 * (VMware KB 1714; open-vm-tools, lib/dict). A disk is a device `scsi0:1` with `present`, `deviceType` and `fileName`.
 */
const LINE = /^\s*([A-Za-z0-9_.:-]{1,200})\s*=\s*"([^"]*)"\s*$/;
const DEVICE = /^((?:scsi|ide|sata|nvme)\d{1,3}:\d{1,3})\.filename$/;
const FLOPPY = /^(floppy\d{1,3})\.filename$/;
const DISK_TYPES = ['', 'disk', 'scsi-harddisk', 'ata-harddisk', 'plainharddisk'];
const WINDOWS_PATH = /^[A-Za-z]:[\\/]|^\\\\/;
/** How descriptors call disks that are devices of the host. */
const DEVICE_DISKS = [
  'fullDevice',
  'partitionedDevice',
  'vmfsRaw',
  'vmfsRDM',
  'vmfsRawDeviceMap',
  'vmfsPassthroughRawDeviceMap',
];
const MAX_DEVICES = 1024;

/** The settings of a .vmx, keys in lower case. Of two with one key the last one counts. */
export function parseVmx(text: string): ReadonlyMap<string, string> {
  const settings = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = LINE.exec(line);
    if (match) settings.set((match[1] ?? '').toLowerCase(), unescapeVmx(match[2] ?? ''));
  }
  return settings;
}

/**
 * The machine that a .vmx describes.
 * @param path - absolute
 * @throws {UmbraError} CONFIG_UNREADABLE
 */
export async function machineOfVmx(path: string, text: string): Promise<DiscoveredMachine> {
  const settings = parseVmx(text);
  const name = settings.get('displayname') ?? '';
  if (name === '') throw new UmbraError('CONFIG_UNREADABLE', `${path} describes no machine of VMware`);
  const volumes: DiscoveredVolume[] = [];
  const skipped: SkippedVolume[] = [];
  const names = new VolumeNames();
  for (const device of devicesOf(settings)) {
    const volume = await volumeOf(settings, device, path, names.name(device));
    if ('reason' in volume) skipped.push(volume);
    else volumes.push(volume);
  }
  const uuid = uuidOf(settings.get('uuid.bios'));
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

/** In order; without those that are switched off. */
function devicesOf(settings: ReadonlyMap<string, string>): readonly string[] {
  const names = [...settings.keys()].map((key) => DEVICE.exec(key)?.[1] ?? FLOPPY.exec(key)?.[1]);
  const present = names.filter((name) => name !== undefined && isTrue(settings.get(`${name}.present`)));
  return present
    .filter((name) => name !== undefined)
    .sort(naturally)
    .slice(0, MAX_DEVICES);
}

async function volumeOf(
  settings: ReadonlyMap<string, string>,
  device: string,
  vmxPath: string,
  name: string,
): Promise<DiscoveredVolume | SkippedVolume> {
  const fileName = settings.get(`${device}.filename`) ?? '';
  const type = (settings.get(`${device}.devicetype`) ?? '').toLowerCase();
  if (device.startsWith('floppy')) return { name, reason: 'it is a floppy drive' };
  if (type.includes('cdrom')) return { name, reason: 'it is a CD drive' };
  if (!DISK_TYPES.includes(type)) return { name, reason: `it is no disk but a device of the type ${type}` };
  if (fileName === '') return { name, reason: 'it has no image' };
  if (WINDOWS_PATH.test(fileName)) return { name, reason: `its image ${fileName} lies on Windows` };
  const path = resolve(dirname(vmxPath), fileName);
  try {
    const vmdk = await readVmdk(path);
    if (DEVICE_DISKS.includes(vmdk.createType)) return { name, reason: 'it is a device passed through' };
    return { name, path, format: 'vmdk', sizeBytes: vmdk.sizeBytes, backing: await vmdkParents(path, vmdk) };
  } catch (error) {
    return { name, reason: messageOf(error) };
  }
}

/** `56 4d 1e 02 … 00-11 22 …`: sixteen bytes. */
function uuidOf(text = ''): string | undefined {
  const digits = text.replaceAll(/[\s-]/g, '').toLowerCase();
  return /^[0-9a-f]{32}$/.test(digits) ? digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') : undefined;
}

function unescapeVmx(value: string): string {
  return value.replaceAll(/\|([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

function isTrue(value = ''): boolean {
  return value.toLowerCase() === 'true';
}

/** `scsi0:2` before `scsi0:10`. */
function naturally(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

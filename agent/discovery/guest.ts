import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { messageOf } from '../../src/common/errors.js';
import type { DiscoveredMachine, DiscoveredVolume, SkippedVolume } from '../../src/protocol/agents-api.js';
import { deviceName } from '../../src/system/block-device-users.js';
import type { Found } from './found.js';
import { GuestNames, type GuestDevice } from './guest-names.js';

export interface GuestOptions {
  /** Block devices, absolute; or all of this machine's disks: none that is removable, read-only, or made of others. */
  readonly devices: 'auto' | readonly string[];
  /** Remembers what the volumes are called; absolute, its directory is there. */
  readonly namesFile: string;
  readonly sysfs?: string;
}

interface Seen extends GuestDevice {
  readonly path: string;
  readonly sizeBytes: number;
}

const SECTOR_BYTES = 512;
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/;
/** Where disks say who they are: WWN, serial number, the name of a mapping. */
const IDENTITY_FILES = ['wwid', 'device/wwid', 'serial', 'device/serial', 'device/vpd_pg80', 'dm/uuid', 'md/uuid'];

/** The machine that this program runs on, with its block devices as volumes. A device that is gone is a skipped one. */
export async function discoverGuest({ devices, namesFile, sysfs = '/sys' }: GuestOptions): Promise<Found> {
  const paths = devices === 'auto' ? await allDisks(sysfs) : devices;
  const skipped: SkippedVolume[] = [];
  const seen: Seen[] = [];
  for (const path of paths) {
    const device = await look(path, sysfs).catch((error: unknown) => messageOf(error));
    const twin = typeof device === 'string' ? undefined : seen.find((other) => isSameDisk(other, device));
    if (typeof device === 'string') skipped.push({ name: basename(path), reason: device });
    else if (twin !== undefined)
      skipped.push({ name: device.kernelName, reason: `it is the same disk as ${twin.path}` });
    else seen.push(device);
  }
  const names = await GuestNames.read(namesFile);
  const volumes = seen.map((device): DiscoveredVolume => ({
    name: names.nameOf(device, seen),
    path: device.path,
    format: 'raw',
    sizeBytes: device.sizeBytes,
    backing: [],
  }));
  await names.keep();
  const uuid = await uuidOf(sysfs);
  const machine: DiscoveredMachine = {
    name: hostname(),
    ...(uuid === undefined ? {} : { uuid }),
    source: 'guest',
    state: 'running',
    volumes,
    skipped,
    configPaths: ['/etc/fstab'],
  };
  return { machines: [machine], notes: [] };
}

async function allDisks(sysfs: string): Promise<string[]> {
  const names = await readdir(join(sysfs, 'block'));
  const isDisk = await Promise.all(names.map((name) => isOwnDisk(join(sysfs, 'block', name), name)));
  return names.filter((_name, index) => isDisk[index] === true).map((name) => `/dev/${name.replaceAll('!', '/')}`);
}

/** Disks of the machine's hardware; what is made of them (LVM, RAID, loops) is protected with them. */
async function isOwnDisk(directory: string, name: string): Promise<boolean> {
  const real = await realpath(directory).catch(() => '');
  // NVMe disks with several paths are virtual devices.
  if (real === '' || (real.includes('/devices/virtual/') && !name.startsWith('nvme'))) return false;
  const [removable, readOnly, hidden] = await Promise.all(
    ['removable', 'ro', 'hidden'].map((file) => lineOf(join(directory, file))),
  );
  const sectors = Number(await lineOf(join(directory, 'size')));
  return removable !== '1' && readOnly !== '1' && hidden !== '1' && sectors > 0;
}

/** @returns what is wrong with it, for people. @throws system errors */
async function look(path: string, sysfs: string): Promise<Seen | string> {
  const stats = await stat(path, { bigint: true });
  if (!stats.isBlockDevice()) return `${path} is no block device`;
  const directory = join(sysfs, 'dev', 'block', deviceName(stats.rdev));
  const sizeBytes = Number(await lineOf(join(directory, 'size'))) * SECTOR_BYTES;
  if (!(sizeBytes > 0)) return `${path} has no medium`;
  const kernelName = (await lineOf(join(directory, 'dm/name'))) || basename(await realpath(path));
  return { path, sizeBytes, kernelName, identity: await identityOf(directory) };
}

/** A partition's identity is its disk's and its number. */
async function identityOf(directory: string): Promise<string | undefined> {
  const partition = await lineOf(join(directory, 'partition'));
  const disk = partition === '' ? directory : `${directory}/..`;
  for (const file of IDENTITY_FILES) {
    const text = await lineOf(`${disk}/${file}`);
    if (text !== '') return `${file} ${text}${partition === '' ? '' : ` ${partition}`}`;
  }
  return undefined;
}

/** Two ways to one disk. */
function isSameDisk(one: Seen, other: Seen): boolean {
  if (one.kernelName === other.kernelName) return true;
  return one.identity !== undefined && one.identity === other.identity && one.sizeBytes === other.sizeBytes;
}

/** As the hypervisor or the firmware calls the machine; else as its own system does. */
async function uuidOf(sysfs: string): Promise<string | undefined> {
  for (const file of [join(sysfs, 'class/dmi/id/product_uuid'), '/etc/machine-id']) {
    const text = (await lineOf(file)).toLowerCase();
    const digits = text.replaceAll('-', '');
    if (!UUID.test(text) || /^(.)\1*$/.test(digits)) continue;
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }
  return undefined;
}

/** Its printable part; empty if there is none. */
async function lineOf(file: string): Promise<string> {
  const bytes = await readFile(file, 'latin1').catch(() => '');
  return bytes
    .replaceAll(/[^\x20-\x7e]+/g, '')
    .trim()
    .slice(0, 200);
}

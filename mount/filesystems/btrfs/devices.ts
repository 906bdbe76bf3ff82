import type { BlockCache, MetadataReader } from '../../blocks/block-cache.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import type { Copy, Stripe } from './chunk.js';
import { KeyType, ObjectId } from './layout.js';
import { damaged, isFilesystemError } from './numbers.js';
import { hasMagic, readSuperblock, type Superblock, uuidText } from './superblock.js';
import type { ItemTree } from './item-tree.js';

/** One device of a file system, open. */
export interface Device {
  readonly source: ByteSource;
  readonly reader: MetadataReader;
  readonly superblock: Superblock;
}

/** What the superblock of a device says of it. */
export interface BtrfsDevice {
  /** The file system's UUID, which all its devices share. */
  readonly fsid: string;
  readonly deviceUuid: string;
  readonly deviceId: number;
  readonly totalDevices: number;
  /** Of the last commit that the device has seen. */
  readonly generation: number;
  /** Other file systems may have grown out of it: it is one of their devices although it has another fsid. */
  readonly seeding: boolean;
  readonly label: string;
}

/**
 * What a device says of itself; undefined if it is none of btrfs.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED
 */
export async function readBtrfsDevice(source: ByteSource): Promise<BtrfsDevice | undefined> {
  if (!(await hasMagic(source))) return undefined;
  const { fsid, deviceUuid, deviceId, totalDevices, generation, seeding, label } = await readSuperblock(source);
  return { fsid, deviceUuid, deviceId, totalDevices, generation, seeding, label };
}

/** The devices of one file system that are there. */
export class Devices {
  /** Of the device with the last commit. */
  readonly superblock: Superblock;
  readonly #devices = new Map<string, Device>();
  readonly #missing = new Set<number>();

  constructor(superblock: Superblock, devices: readonly Device[]) {
    this.superblock = superblock;
    for (const device of devices) this.#devices.set(device.superblock.deviceUuid, device);
  }

  /** The device that holds the stripe; undefined if it is not there. */
  device({ deviceId, deviceUuid }: Stripe): Device | undefined {
    const device = this.#devices.get(deviceUuid);
    if (device === undefined) this.#missing.add(deviceId);
    return device;
  }

  /** What tree blocks may carry: the UUID of this file system, or of a seed. */
  get metadataUuids(): readonly Buffer[] {
    return [this.superblock, ...[...this.#devices.values()].map(({ superblock }) => superblock)].map(
      ({ metadataUuid }) => metadataUuid,
    );
  }

  /** True if a device of the file system is there. */
  isThere(deviceUuid: string): boolean {
    return this.#devices.has(deviceUuid);
  }

  /** True if all devices that hold `copy` are there. */
  has(copy: Copy): boolean {
    return copy.every((stripe) => this.device(stripe) !== undefined);
  }

  /** The error for bytes of which no copy is on a device that is there. */
  missingError(logical: number): Error {
    const missing = [...this.#missing].slice(0, 8).join(', ');
    return damaged(`what is at ${logical} stands on a device that is missing (number ${missing})`);
  }
}

/**
 * Find the devices of one file system: those with the fsid of the first source, and the seeds of any fsid that its
 * chunks name by their UUIDs. Of two devices with one UUID (one is an old copy) that with the newest generation is taken.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE for the first source only
 */
export async function openDevices(
  sources: readonly ByteSource[],
  cache: BlockCache,
): Promise<{ devices: Devices; problems: string[] }> {
  const [first, ...others] = sources;
  if (first === undefined) throw damaged('there is no device');
  const own = await openDevice(first, cache);
  const problems: string[] = [];
  const found = new Map([[own.superblock.deviceUuid, own]]);
  for (const source of others) {
    const device = await openOther(source, cache);
    if (device === undefined) continue;
    const { fsid, seeding, deviceUuid, generation } = device.superblock;
    if (fsid !== own.superblock.fsid && !seeding) continue;
    const known = found.get(deviceUuid);
    if (known !== undefined) problems.push(`there are two copies of the device ${deviceUuid}`);
    if (known === undefined || (known !== own && known.superblock.generation < generation))
      found.set(deviceUuid, device);
  }
  const newest = [...found.values()]
    .map(({ superblock }) => superblock)
    .filter((superblock) => isOf(superblock, own.superblock))
    .reduce((a, b) => (b.generation > a.generation ? b : a));
  return { devices: new Devices(newest, [...found.values()]), problems };
}

/** True if a device belongs to a file system, and is no seed of it. */
function isOf({ fsid }: Superblock, newest: Superblock): boolean {
  return fsid === newest.fsid;
}

async function openDevice(source: ByteSource, cache: BlockCache): Promise<Device> {
  return { source, reader: cache.reader(source), superblock: await readSuperblock(source) };
}

/** How many devices are looked at for whether they are there. */
const MAX_DEVICES = 1000;
const DEVICE_BYTES = 98;

/** In plain words, which devices are not there, by the list of them in the chunk tree. */
export async function missingDevices(devices: Devices, chunkTree: ItemTree): Promise<string[]> {
  const problems: string[] = [];
  const from = { objectId: ObjectId.devices, type: KeyType.deviceItem, offset: 0 };
  let seen = 0;
  for await (const items of chunkTree.batches(from, { ...from, offset: -1 })) {
    for (const { offset, data } of items) {
      if (data.length < DEVICE_BYTES) throw damaged(`the device ${offset} is cut off`);
      const uuid = uuidText(data.subarray(66, 82));
      if (!devices.isThere(uuid)) problems.push(`the device ${offset} is missing: its UUID is ${uuid}`);
    }
    seen += items.length;
    if (seen > MAX_DEVICES) break;
  }
  return problems.slice(0, 8);
}

/** Another device; undefined if it is none, or cannot be understood. */
async function openOther(source: ByteSource, cache: BlockCache): Promise<Device | undefined> {
  try {
    return (await hasMagic(source)) ? await openDevice(source, cache) : undefined;
  } catch (error) {
    if (isFilesystemError(error)) return undefined;
    throw error;
  }
}

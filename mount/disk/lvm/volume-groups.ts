import { UmbraError } from '../../../src/common/errors.js';
import type { BlockCache } from '../../blocks/block-cache.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import type { BlockDevice, Unreadable } from '../block-device.js';
import { causeOf } from '../unreadable-cause.js';
import { NOTHING } from '../nothing.js';
import type { Probe } from '../probe.js';
import { stringIn } from './config-text.js';
import type { PhysicalVolumeLabel } from './label.js';
import { LogicalVolumes } from './logical-volume.js';
import { readMetadataArea } from './metadata-area.js';
import { type LogicalVolume, parseVolumeGroup, type VolumeGroup } from './volume-group.js';

/** All copies of metadata that are looked at for one machine. */
const MAX_TEXT_CHARACTERS = 64 * 1024 * 1024;
/** Of one machine. */
const MAX_LOGICAL_VOLUMES = 4096;
/** They hold other volumes, no file systems. */
const POOLS: ReadonlySet<string> = new Set(['thin-pool', 'cache-pool', 'vdo-pool']);

/** A block device that is a physical volume. */
export interface PhysicalVolumeDevice {
  readonly device: BlockDevice;
  readonly probe: Probe;
  readonly label: PhysicalVolumeLabel;
}

/** What is wrong with metadata, by the device on which they stand. */
type Problems = Map<PhysicalVolumeDevice, string[]>;

/**
 * The logical volumes on the physical volumes of a machine, and those physical volumes of which nothing can be made.
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function readVolumeGroups(
  found: readonly PhysicalVolumeDevice[],
  cache: BlockCache,
): Promise<BlockDevice[]> {
  const devices: BlockDevice[] = [];
  const volumes = withoutCopies(found, devices);
  const problems: Problems = new Map();
  const groups = await newestGroups(volumes, problems);
  const used = new Set<string>();
  for (const group of groups) {
    for (const { uuid } of group.physicalVolumes.values()) used.add(uuid);
    const physical = new Map(volumes.map(({ label, device }) => [label.uuid, device.source]));
    const notes = volumes
      .filter(({ label }) => hasVolume(group, label.uuid))
      .flatMap((volume) => problems.get(volume) ?? []);
    devices.push(...(await logicalVolumes(group, physical, cache, notes, MAX_LOGICAL_VOLUMES - devices.length)));
  }
  for (const volume of volumes) {
    if (!used.has(volume.label.uuid)) devices.push(withoutGroup(volume, problems.get(volume) ?? []));
  }
  return devices;
}

function hasVolume(group: VolumeGroup, uuid: string): boolean {
  return [...group.physicalVolumes.values()].some((volume) => volume.uuid === uuid);
}

/** Of physical volumes with the same UUID the first counts: a disk was copied and attached to the same machine. */
function withoutCopies(found: readonly PhysicalVolumeDevice[], devices: BlockDevice[]): PhysicalVolumeDevice[] {
  const first = new Map<string, PhysicalVolumeDevice>();
  for (const volume of found) {
    const original = first.get(volume.label.uuid);
    if (original === undefined) first.set(volume.label.uuid, volume);
    else {
      devices.push({
        ...volume.device,
        unreadable: {
          what: `a copy of the LVM physical volume on ${original.device.name}, with the same identifier`,
          hint: 'LVM can use one of them at a time, and so does Umbra. "vgimportclone" gives the copy an identifier of its own.',
        },
      });
    }
  }
  return [...first.values()];
}

/** Each group by the copy of its metadata that is newest. */
async function newestGroups(volumes: readonly PhysicalVolumeDevice[], problems: Problems): Promise<VolumeGroup[]> {
  const groups = new Map<string, VolumeGroup>();
  const seen = new Set<string>();
  let characters = 0;
  for (const volume of volumes) {
    for (const area of volume.label.metadataAreas) {
      const { text, problem } = await readMetadataArea(volume.probe, area);
      if (problem !== undefined) note(problems, volume, problem);
      if (text === undefined || seen.has(text)) continue;
      characters += text.length;
      if (characters > MAX_TEXT_CHARACTERS) note(problems, volume, 'there are too many metadata');
      else addNewer(groups, volume, text, problems);
      seen.add(text);
    }
  }
  return [...groups.values()];
}

function addNewer(
  groups: Map<string, VolumeGroup>,
  volume: PhysicalVolumeDevice,
  text: string,
  problems: Problems,
): void {
  try {
    const group = parseVolumeGroup(text);
    const known = groups.get(group.uuid);
    if (known === undefined || known.seqno < group.seqno) groups.set(group.uuid, group);
  } catch (error) {
    if (!(error instanceof UmbraError)) throw error;
    note(problems, volume, error.message);
  }
}

function note(problems: Problems, volume: PhysicalVolumeDevice, problem: string): void {
  const known = problems.get(volume) ?? [];
  problems.set(volume, [...known, `${volume.device.name}: ${problem}`]);
}

async function logicalVolumes(
  group: VolumeGroup,
  physical: ReadonlyMap<string, ByteSource>,
  cache: BlockCache,
  notes: readonly string[],
  most: number,
): Promise<BlockDevice[]> {
  const maker = new LogicalVolumes(group, physical, cache);
  const devices: BlockDevice[] = [];
  for (const volume of group.logicalVolumes.values()) {
    const type = volume.segments[0]?.type ?? '';
    if (!volume.visible || POOLS.has(type) || devices.length >= most) continue;
    devices.push(await logicalVolume(group, volume, maker, devices.length === 0 ? notes : []));
  }
  return devices;
}

async function logicalVolume(
  group: VolumeGroup,
  volume: LogicalVolume,
  maker: LogicalVolumes,
  problems: readonly string[],
): Promise<BlockDevice> {
  const name = shownName(volume);
  const device = {
    name: `${group.name}-${name}`,
    origin: {
      kind: 'logical-volume',
      volumeGroup: group.name,
      logicalVolume: name,
      uuid: volume.uuid,
      layout: layoutOf(volume),
    },
    problems,
  } as const;
  try {
    return { ...device, source: await maker.source(name) };
  } catch (error) {
    if (!(error instanceof UmbraError) || !error.code.startsWith('FILESYSTEM_')) throw error;
    return {
      ...device,
      source: NOTHING,
      unreadable: { what: error.message, hint: error.hint ?? DAMAGED_HINT, cause: causeOf(error) },
    };
  }
}

const DAMAGED_HINT =
  'The newest copy of the metadata was used. An older shadow copy may be whole; "vgcfgrestore" takes a backup of the ' +
  'metadata from /etc/lvm/archive of the machine.';

/** A snapshot is listed under a name that nobody knows; what users call the snapshot is its store. */
function shownName({ name, segments: [first] }: LogicalVolume): string {
  if (first?.type !== 'snapshot') return name;
  return stringIn(first.settings, 'cow_store') || stringIn(first.settings, 'merging_store');
}

function layoutOf({ segments: [first] }: LogicalVolume): string {
  if (first === undefined) return '';
  return first.type === 'striped' && first.settings.get('stripe_count') === 1 ? 'linear' : first.type;
}

function withoutGroup({ device }: PhysicalVolumeDevice, problems: readonly string[]): BlockDevice {
  const unreadable: Unreadable =
    problems.length === 0
      ? {
          what: 'an LVM physical volume that belongs to no volume group',
          hint: 'There are no files in it, or the other disks of its group, which describe it, are not among the volumes of this machine.',
        }
      : { what: 'an LVM physical volume whose metadata are damaged', hint: DAMAGED_HINT, cause: 'damaged' };
  return { ...device, unreadable, problems: [...device.problems, ...problems] };
}

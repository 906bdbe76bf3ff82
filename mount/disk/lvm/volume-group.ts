import { UmbraError } from '../../../src/common/errors.js';
import { type ConfigSection, listIn, numberIn, parseConfigText, sectionIn, stringIn } from './config-text.js';

const SECTOR_BYTES = 512;
/** Segments of all its logical volumes. */
const MAX_SEGMENTS = 100_000;

/** A volume group, as its metadata describe it. */
export interface VolumeGroup {
  readonly name: string;
  readonly uuid: string;
  /** Grows with each change: the copy with the highest one counts. */
  readonly seqno: number;
  readonly extentBytes: number;
  /** By the names that the metadata give them. */
  readonly physicalVolumes: ReadonlyMap<string, PhysicalVolume>;
  readonly logicalVolumes: ReadonlyMap<string, LogicalVolume>;
}

export interface PhysicalVolume {
  readonly uuid: string;
  /** Where it was when the metadata were written: `/dev/sdb`. */
  readonly device: string;
  /** Where its extents begin. */
  readonly startBytes: number;
}

export interface LogicalVolume {
  readonly name: string;
  readonly uuid: string;
  /** False for those that other ones are made of. */
  readonly visible: boolean;
  /** In order and without gaps. */
  readonly segments: readonly Segment[];
}

/** A part of a logical volume that is made in one way. */
export interface Segment {
  readonly startExtent: number;
  readonly extents: number;
  /** `striped`, `raid1`, `thin` …, without the flags that may follow. */
  readonly type: string;
  readonly settings: ConfigSection;
}

/**
 * The volume group that a text describes.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseVolumeGroup(text: string): VolumeGroup {
  for (const [name, section] of parseConfigText(text)) {
    if (section instanceof Map) return volumeGroup(name, section as ConfigSection);
  }
  throw new UmbraError('FILESYSTEM_DAMAGED', "LVM's metadata have no volume group");
}

function volumeGroup(name: string, section: ConfigSection): VolumeGroup {
  const extentBytes = numberIn(section, 'extent_size') * SECTOR_BYTES;
  if (extentBytes === 0) throw new UmbraError('FILESYSTEM_DAMAGED', 'the extents of the volume group have no size');
  return {
    name,
    uuid: stringIn(section, 'id'),
    seqno: numberIn(section, 'seqno'),
    extentBytes,
    physicalVolumes: new Map(
      sectionsOf(section, 'physical_volumes').map(([key, pv]) => [
        key,
        {
          uuid: stringIn(pv, 'id'),
          device: stringIn(pv, 'device'),
          startBytes: numberIn(pv, 'pe_start') * SECTOR_BYTES,
        },
      ]),
    ),
    logicalVolumes: logicalVolumes(section),
  };
}

function logicalVolumes(group: ConfigSection): Map<string, LogicalVolume> {
  const volumes = new Map<string, LogicalVolume>();
  let total = 0;
  for (const [name, section] of sectionsOf(group, 'logical_volumes')) {
    const count = numberIn(section, 'segment_count', 0);
    total += count;
    if (total > MAX_SEGMENTS) throw new UmbraError('FILESYSTEM_DAMAGED', 'the volume group has too many segments');
    volumes.set(name, {
      name,
      uuid: stringIn(section, 'id'),
      visible: listIn(section, 'status').includes('VISIBLE'),
      segments: segmentsOf(section, count),
    });
  }
  return volumes;
}

/** Those of a damaged list end before the damage; who reads the volume checks that they are whole. */
function segmentsOf(volume: ConfigSection, count: number): Segment[] {
  const segments: Segment[] = [];
  for (let number = 1; number <= count; number++) {
    const settings = sectionIn(volume, `segment${number}`);
    if (settings === undefined)
      throw new UmbraError('FILESYSTEM_DAMAGED', `segment ${number} of a logical volume is missing`);
    const [startExtent, extents] = [numberIn(settings, 'start_extent'), numberIn(settings, 'extent_count')];
    segments.push({ startExtent, extents, type: stringIn(settings, 'type').replace(/\+.*/, ''), settings });
  }
  return segments.sort((a, b) => a.startExtent - b.startExtent);
}

function sectionsOf(section: ConfigSection, name: string): [string, ConfigSection][] {
  const inner = sectionIn(section, name) ?? new Map<string, ConfigSection>();
  return [...inner].flatMap(([key, node]) => (node instanceof Map ? [[key, node as ConfigSection]] : []));
}

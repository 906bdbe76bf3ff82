import { crc32 } from '@node-rs/crc32';
import type { Probe } from '../probe.js';

const SECTOR_BYTES = 512;
const LABEL_SECTORS = 4;
const ID_BYTES = 32;
/** Of data and of metadata: LVM makes one or two of each. */
const MAX_AREAS = 16;
const LVM_CRC_SEED = 0xf597a6cf;

/** A part of a physical volume. */
export interface Area {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** What the label of an LVM2 physical volume says. */
export interface PhysicalVolumeLabel {
  /** As LVM prints it, with dashes. */
  readonly uuid: string;
  readonly metadataAreas: readonly Area[];
}

/** The checksum that LVM uses: CRC-32 with a seed of its own, and not inverted. */
export function lvmCrc(bytes: Uint8Array): number {
  return ~crc32(bytes, ~LVM_CRC_SEED >>> 0) >>> 0;
}

/** The label of a physical volume, in one of its first four sectors (lib/format_text/layout.h of lvm2). */
export async function readLabel(probe: Probe): Promise<PhysicalVolumeLabel | undefined> {
  for (let index = 0; index < LABEL_SECTORS; index++) {
    const sector = await probe.at(index * SECTOR_BYTES, SECTOR_BYTES);
    const label = sector && parseLabel(sector, index);
    if (label !== undefined) return label;
  }
  return undefined;
}

function parseLabel(sector: Buffer, index: number): PhysicalVolumeLabel | undefined {
  if (sector.toString('latin1', 0, 8) !== 'LABELONE' || sector.toString('latin1', 24, 32) !== 'LVM2 001')
    return undefined;
  if (sector.readBigUInt64LE(8) !== BigInt(index) || sector.readUInt32LE(16) !== lvmCrc(sector.subarray(20)))
    return undefined;
  const at = sector.readUInt32LE(20);
  if (at + ID_BYTES + 8 > SECTOR_BYTES) return undefined;
  const uuid = withDashes(sector.toString('latin1', at, at + ID_BYTES));
  const [, afterData] = readAreas(sector, at + ID_BYTES + 8);
  const [metadataAreas] = readAreas(sector, afterData);
  return { uuid, metadataAreas };
}

/** A list of areas that ends with an empty one; and where it ends. */
function readAreas(sector: Buffer, from: number): [Area[], number] {
  const areas: Area[] = [];
  let at = from;
  for (; at + 16 <= SECTOR_BYTES && areas.length < MAX_AREAS; at += 16) {
    const [offset, sizeBytes] = [Number(sector.readBigUInt64LE(at)), Number(sector.readBigUInt64LE(at + 8))];
    if (offset === 0) return [areas, at + 16];
    areas.push({ offset, sizeBytes });
  }
  return [areas, at];
}

function withDashes(id: string): string {
  return [6, 4, 4, 4, 4, 4, 6].reduce<[string, number]>(
    ([text, at], length) => [`${text}${at === 0 ? '' : '-'}${id.slice(at, at + length)}`, at + length],
    ['', 0],
  )[0];
}

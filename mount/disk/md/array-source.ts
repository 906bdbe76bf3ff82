import { UmbraError } from '../../../src/common/errors.js';
import { type ByteSource, WindowSource } from '../../blocks/byte-source.js';
import { allOf, firstOf } from '../map/columns.js';
import { concatenated, cutTo } from '../map/concatenated.js';
import { parityArray, RAID5_LAYOUTS, RAID6_LAYOUTS } from '../map/parity.js';
import { raid10 } from '../map/raid10.js';
import { chunked, striped } from '../map/striped.js';
import type { MdSuperblock } from './md-superblock.js';

const MIN_CHUNK_BYTES = 512;
/** Parities come last in RAID 4: the layout that RAID 5 has a number for. */
const RAID4_LAYOUT = 5;
const RAID0_ORIGINAL = 1;
const RAID0_ALTERNATE = 2;

/** A member that is current: its data, without the superblock. */
export interface Member {
  readonly source: ByteSource;
}

/**
 * The data of an array.
 * @param roles its members by their place
 * @throws {UmbraError} FILESYSTEM_UNREADABLE when too many are missing or the kind is not known, FILESYSTEM_DAMAGED
 */
export function arraySource(roles: readonly (Member | undefined)[], superblock: MdSuperblock): ByteSource {
  const { level, layout, chunkBytes, usedBytes } = superblock;
  if (level === -1) return concatenated(allOf(roles).map(({ source }) => roundedTo(source, chunkBytes)));
  if (level === 0) return raid0(allOf(roles), layout, checkedChunk(chunkBytes));
  const columns = roles.map((member) => member && usedPart(member, usedBytes));
  if (level === 1 || level === -4) return firstOf(columns);
  const parities = level === 6 ? 2 : 1;
  const rows = checkedChunk(chunkBytes);
  if (level === 10) return raid10(columns, raid10Layout(layout, columns.length), rows, usedBytes);
  const rule = (level === 6 ? RAID6_LAYOUTS : RAID5_LAYOUTS).get(level === 4 ? RAID4_LAYOUT : layout);
  if (rule === undefined || ![4, 5, 6].includes(level)) {
    throw new UmbraError('FILESYSTEM_UNREADABLE', `a Linux software RAID of level ${level} with layout ${layout}`, {
      hint: 'Umbra does not know this kind of RAID. Linux shows it: "mdadm --assemble --scan" on loop devices over all raw volumes.',
    });
  }
  if (columns.length <= parities) throw new UmbraError('FILESYSTEM_DAMAGED', 'a RAID has too few members');
  return parityArray(columns, rule, parities, rows, usedBytes);
}

/** A member that has less room than the array uses of it is as good as missing. */
function usedPart({ source }: Member, usedBytes: number): ByteSource | undefined {
  return source.sizeBytes < usedBytes ? undefined : cutTo(source, usedBytes);
}

function roundedTo(source: ByteSource, chunkBytes: number): ByteSource {
  if (chunkBytes === 0) return source;
  return cutTo(source, Math.floor(source.sizeBytes / chunkBytes) * chunkBytes);
}

function checkedChunk(chunkBytes: number): number {
  if (chunkBytes >= MIN_CHUNK_BYTES) return chunkBytes;
  throw new UmbraError('FILESYSTEM_DAMAGED', 'the chunks of a RAID have no size');
}

function raid10Layout(layout: number, members: number): { near: number; far: number; offset: boolean } {
  const [near, far] = [layout & 0xff, (layout >>> 8) & 0xff];
  // Newer ways to spread the far copies, which only some numbers of members have.
  if (near === 0 || far === 0 || near * far > members || layout >>> 17 !== 0) {
    throw new UmbraError('FILESYSTEM_UNREADABLE', `a Linux software RAID 10 with layout ${layout}`, {
      hint: 'Umbra does not know this layout. Linux shows it: "mdadm --assemble --scan" on loop devices over all raw volumes.',
    });
  }
  return { near, far, offset: (layout & 0x10000) !== 0 };
}

/**
 * Where members differ in size, those that are longer go on being striped among themselves, in zones
 * (drivers/md/raid0.c).
 */
function raid0(members: readonly Member[], layout: number, chunkBytes: number): ByteSource {
  const columns = members.map(({ source }) => roundedTo(source, chunkBytes));
  const ends = [...new Set(columns.map(({ sizeBytes }) => sizeBytes))].sort((a, b) => a - b);
  if (ends.length > 1 && layout !== RAID0_ORIGINAL && layout !== RAID0_ALTERNATE) {
    throw new UmbraError('FILESYSTEM_UNREADABLE', 'a Linux software RAID 0 that does not say how it is laid out', {
      hint: 'Linux needs to be told, too: see the parameter "default_layout" of its module raid0.',
    });
  }
  let [start, chunksBefore] = [0, 0];
  const zones = ends.map((end) => {
    const zone = columns
      .filter(({ sizeBytes }) => sizeBytes > start)
      .map((column) => new WindowSource(column, start, end - start));
    const before = layout === RAID0_ORIGINAL ? chunksBefore : 0;
    chunksBefore += (zone.length * (end - start)) / chunkBytes;
    start = end;
    return before === 0 ? striped(zone, chunkBytes) : rotated(zone, chunkBytes, before);
  });
  return concatenated(zones);
}

/** In the original layout a zone begins with the column at which the count of all chunks before it stands. */
function rotated(columns: readonly ByteSource[], chunkBytes: number, before: number): ByteSource {
  const count = columns.length;
  const total = columns.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return chunked(columns, chunkBytes, total, (chunk) => ({
    column: (chunk + before) % count,
    row: Math.floor(chunk / count),
  }));
}

import { UmbraError } from '../../../src/common/errors.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import { allOf, firstOf } from '../map/columns.js';
import { parityArray, RAID5_LAYOUTS, RAID6_LAYOUTS } from '../map/parity.js';
import type { ParityLayout } from '../map/parity-layout.js';
import { raid10 } from '../map/raid10.js';
import { striped } from '../map/striped.js';
import { type ConfigSection, numberIn } from './config-text.js';

/** LVM's names for the layouts, and the numbers that md has for them (raid_types of drivers/md/dm-raid.c). */
const RAID5: Readonly<Record<string, number>> = {
  raid4: 4,
  raid5: 2,
  raid5_ls: 2,
  raid5_la: 0,
  raid5_rs: 3,
  raid5_ra: 1,
  raid5_n: 5,
};
const RAID6: Readonly<Record<string, number>> = {
  raid6: 8,
  raid6_zr: 8,
  raid6_nr: 9,
  raid6_nc: 10,
  raid6_ls_6: 18,
  raid6_la_6: 16,
  raid6_rs_6: 19,
  raid6_ra_6: 17,
  raid6_n_6: 5,
};

/**
 * The data of a RAID in LVM.
 * @param columns its legs, those left out that are missing or not complete
 * @throws {UmbraError} FILESYSTEM_UNREADABLE when too many are, or the type is not known; FILESYSTEM_DAMAGED
 */
export function raidSource(
  type: string,
  columns: readonly (ByteSource | undefined)[],
  settings: ConfigSection,
  sizeBytes: number,
): ByteSource {
  if (type === 'raid1') return firstOf(columns);
  const chunkBytes = numberIn(settings, 'stripe_size') * 512;
  if (chunkBytes === 0) throw new UmbraError('FILESYSTEM_DAMAGED', 'the stripes of a RAID have no size');
  if (type === 'raid0' || type === 'raid0_meta') return striped(allOf(columns), chunkBytes);
  if (type === 'raid10' || type === 'raid10_near') {
    const near = numberIn(settings, 'data_copies', 2);
    if (near === 0 || near > columns.length) throw new UmbraError('FILESYSTEM_DAMAGED', `a RAID 10 has ${near} copies`);
    return raid10(columns, { near, far: 1, offset: false }, chunkBytes, shortest(columns));
  }
  const [layout, parities] = parityLayout(type);
  if (columns.length <= parities) throw new UmbraError('FILESYSTEM_DAMAGED', 'a RAID has too few legs');
  const columnBytes = Math.min(sizeBytes / (columns.length - parities), shortest(columns));
  return parityArray(columns, layout, parities, chunkBytes, columnBytes);
}

function parityLayout(type: string): [ParityLayout, 1 | 2] {
  const layout5 = RAID5_LAYOUTS.get(RAID5[type] ?? -1);
  if (layout5 !== undefined) return [layout5, 1];
  const layout6 = RAID6_LAYOUTS.get(RAID6[type] ?? -1);
  if (layout6 !== undefined) return [layout6, 2];
  throw new UmbraError('FILESYSTEM_UNREADABLE', `a logical volume of the type ${type.slice(0, 60)}`, {
    hint: 'Umbra does not know this kind of RAID. Linux shows it: "vgchange -ay" on loop devices over all raw volumes.',
  });
}

function shortest(columns: readonly (ByteSource | undefined)[]): number {
  return Math.min(
    ...columns.flatMap((column) => (column === undefined ? [] : [column.sizeBytes])),
    Number.MAX_SAFE_INTEGER,
  );
}

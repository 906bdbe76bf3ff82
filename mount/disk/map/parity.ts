import type { ByteSource } from '../../blocks/byte-source.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { ParityLayout, RowLayout } from './parity-layout.js';
import { reconstructed } from './reconstructed.js';
import { chunked } from './striped.js';

type Rotation = (row: number, columns: number) => number;

const leftwards: Rotation = (row, columns) => columns - 1 - (row % columns);
const rightwards: Rotation = (row, columns) => row % columns;

/** Data goes on behind the parity and around. */
function symmetric(rotation: Rotation): ParityLayout {
  return (row, columns) => {
    const parity = rotation(row, columns);
    return { parity, q: -1, data: (index) => (parity + 1 + index) % columns };
  };
}

/** Data stands in the order of the columns, the parity left out. */
function asymmetric(rotation: Rotation): ParityLayout {
  return (row, columns) => {
    const parity = rotation(row, columns);
    return { parity, q: -1, data: (index) => (index >= parity ? index + 1 : index) };
  };
}

/** As {@link symmetric}, the second parity behind the first. */
function symmetric6(rotation: Rotation): ParityLayout {
  return (row, columns) => {
    const parity = rotation(row, columns);
    return { parity, q: (parity + 1) % columns, data: (index) => (parity + 2 + index) % columns };
  };
}

/** As {@link asymmetric}, the second parity behind the first. */
function asymmetric6(rotation: Rotation): ParityLayout {
  return (row, columns) => {
    const parity = rotation(row, columns);
    if (parity === columns - 1) return { parity, q: 0, data: (index) => index + 1 };
    return { parity, q: parity + 1, data: (index) => (index >= parity ? index + 2 : index) };
  };
}

/** A layout of RAID 5, the second parity always in the last column: what RAID 6 is made of from RAID 5. */
function withLastQ(layout: ParityLayout): ParityLayout {
  return (row, columns) => ({ ...layout(row, columns - 1), q: columns - 1 });
}

const first: ParityLayout = () => ({ parity: 0, q: -1, data: (index) => index + 1 });
const last: ParityLayout = (_row, columns) => ({ parity: columns - 1, q: -1, data: (index) => index });

/** By the numbers that md has for them (drivers/md/raid5.h). */
export const RAID5_LAYOUTS: ReadonlyMap<number, ParityLayout> = new Map([
  [0, asymmetric(leftwards)],
  [1, asymmetric(rightwards)],
  [2, symmetric(leftwards)],
  [3, symmetric(rightwards)],
  [4, first],
  [5, last],
]);

export const RAID6_LAYOUTS: ReadonlyMap<number, ParityLayout> = new Map([
  [0, asymmetric6(leftwards)],
  [1, asymmetric6(rightwards)],
  [2, symmetric6(leftwards)],
  [3, symmetric6(rightwards)],
  [4, () => ({ parity: 0, q: 1, data: (index) => index + 2 })],
  [5, (_row, columns) => ({ parity: columns - 2, q: columns - 1, data: (index) => index })],
  [8, asymmetric6(rightwards)],
  [9, asymmetric6((row, columns) => leftwards(row + 1, columns))],
  [10, continued],
  ...[0, 1, 2, 3, 4].map(
    (number) => [16 + number, withLastQ(RAID5_LAYOUTS.get(number) ?? first)] as [number, ParityLayout],
  ),
]);

/** Rotating N continue: the second parity stands before the first. */
function continued(row: number, columns: number): RowLayout {
  const parity = leftwards(row, columns);
  return { parity, q: (parity + columns - 1) % columns, data: (index) => (parity + 1 + index) % columns };
}

/**
 * RAID 4, 5 or 6. The data are read as they stand; one column that is missing is made of the others.
 * @param parities 1, or 2 of RAID 6
 * @throws {UmbraError} FILESYSTEM_UNREADABLE when more is missing
 */
export function parityArray(
  columns: readonly (ByteSource | undefined)[],
  layout: ParityLayout,
  parities: 1 | 2,
  chunkBytes: number,
  columnBytes: number,
): ByteSource {
  const missing = columns.flatMap((column, index) => (column === undefined ? [index] : []));
  if (missing.length > 1) {
    throw new UmbraError(
      'FILESYSTEM_UNREADABLE',
      `${missing.length} of ${columns.length} disks of a RAID are missing`,
      {
        hint: 'Umbra makes up for one missing disk at most. Protect the others as well, or look at an older shadow copy.',
      },
    );
  }
  const there = columns.map(
    (column, index) => column ?? reconstructed(columns, index, layout, chunkBytes, columnBytes),
  );
  const dataColumns = columns.length - parities;
  const rows = Math.floor(columnBytes / chunkBytes);
  return chunked(there, chunkBytes, rows * chunkBytes * dataColumns, (chunk) => {
    const row = Math.floor(chunk / dataColumns);
    return { column: layout(row, columns.length).data(chunk - row * dataColumns), row };
  });
}

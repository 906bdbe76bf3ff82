import { UmbraError } from '../../../src/common/errors.js';

/** @throws {UmbraError} FILESYSTEM_UNREADABLE when none is there */
export function firstOf<T>(columns: readonly (T | undefined)[]): T {
  const first = columns.find((column) => column !== undefined);
  if (first === undefined) throw tooFew();
  return first;
}

/** @throws {UmbraError} FILESYSTEM_UNREADABLE when one is missing */
export function allOf<T>(columns: readonly (T | undefined)[]): T[] {
  if (columns.length === 0) throw tooFew();
  return columns.map((column) => {
    if (column === undefined) throw tooFew();
    return column;
  });
}

function tooFew(): UmbraError {
  return new UmbraError('FILESYSTEM_UNREADABLE', 'a RAID of which too many disks are missing or out of date', {
    hint: 'Protect the other disks of the machine as well, or look at an older shadow copy.',
  });
}

import { UmbraError } from '../../../src/common/errors.js';
import { damaged } from './damaged.js';

/** Incompatible features of version 5 that are known here (`sb_features_incompat`). */
export const INCOMPAT = {
  ftype: 0x1,
  sparseInodes: 0x2,
  metaUuid: 0x4,
  bigtime: 0x8,
  needsRepair: 0x10,
  nrext64: 0x20,
  exchangeRange: 0x40,
  parentPointers: 0x80,
} as const;

const READABLE =
  INCOMPAT.ftype |
  INCOMPAT.sparseInodes |
  INCOMPAT.metaUuid |
  INCOMPAT.bigtime |
  INCOMPAT.nrext64 |
  INCOMPAT.exchangeRange |
  INCOMPAT.parentPointers;

/** What the kernel calls the features that are not read here. */
const NAMES: Readonly<Record<number, string>> = { 0x100: 'metadir', 0x200: 'zoned', 0x400: 'zone-gaps' };

/** Bits of `sb_versionnum`. */
export const VERSION_BITS = {
  shared: 0x0200,
  logV2: 0x0400,
  dirV2: 0x2000,
  asciiCi: 0x4000,
  moreBits: 0x8000,
} as const;

/** Bits of `sb_features2`. */
export const FEATURES2 = { lazyCounters: 0x2, attr2: 0x8, projectId32: 0x80, crc: 0x100, ftype: 0x200 } as const;

const FEATURES2_V4 = FEATURES2.lazyCounters | FEATURES2.attr2 | FEATURES2.projectId32 | FEATURES2.ftype;

/**
 * Refuse what cannot be read right.
 * @throws {UmbraError} FILESYSTEM_UNREADABLE, naming the features
 */
export function checkIncompatible(incompat: number): void {
  if ((incompat & INCOMPAT.needsRepair) !== 0) {
    throw new UmbraError('FILESYSTEM_UNREADABLE', 'the XFS file system is marked as needing repair (needsrepair)', {
      hint: 'Run xfs_repair on a copy of the raw volume.',
    });
  }
  const unknown = (incompat & ~READABLE) >>> 0;
  if (unknown !== 0) throw newer(`the XFS features ${featureNames(unknown)}`);
}

/**
 * The same for version 4 and before, whose features stand elsewhere.
 * @throws {UmbraError} FILESYSTEM_UNREADABLE; FILESYSTEM_DAMAGED for a version that never was
 */
export function checkVersion4(versionNumber: number, features2: number): void {
  const version = versionNumber & 0xf;
  if (version === 0 || version > 5) throw damaged(`there is no version ${version} of XFS`);
  if (version !== 4 || (versionNumber & VERSION_BITS.dirV2) === 0) {
    throw new UmbraError('FILESYSTEM_UNREADABLE', 'the XFS file system is of a version from before 2001', {
      hint: 'Give the raw volume to a system of its time.',
    });
  }
  const unknown = (features2 & ~FEATURES2_V4) >>> 0;
  if (unknown !== 0 || (versionNumber & VERSION_BITS.shared) !== 0) {
    throw newer(`the XFS version 4 features ${hex(versionNumber)}, ${hex(features2)}`);
  }
}

function featureNames(bits: number): string {
  const names: string[] = [];
  for (let bit = 1; bit <= 0x40000000; bit *= 2) if ((bits & bit) !== 0) names.push(NAMES[bit] ?? hex(bit));
  if (bits >= 0x80000000) names.push(hex(0x80000000));
  return names.join(', ');
}

function newer(what: string): UmbraError {
  return new UmbraError('FILESYSTEM_UNREADABLE', `${what} cannot be read`, {
    hint: 'Mount the raw volume in a system whose kernel knows them, or update Umbra.',
  });
}

function hex(bits: number): string {
  return `0x${bits.toString(16)}`;
}

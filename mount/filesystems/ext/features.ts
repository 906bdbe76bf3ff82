import { unreadable } from './errors.js';

/** Bits of s_feature_compat. */
export const COMPAT = {
  HAS_JOURNAL: 0x4,
  DIR_INDEX: 0x20,
  SPARSE_SUPER2: 0x200,
  FAST_COMMIT: 0x400,
  ORPHAN_FILE: 0x1000,
} as const;

/** Bits of s_feature_incompat. */
export const INCOMPAT = {
  FILETYPE: 0x2,
  RECOVER: 0x4,
  JOURNAL_DEV: 0x8,
  META_BG: 0x10,
  EXTENTS: 0x40,
  BIT64: 0x80,
  MMP: 0x100,
  FLEX_BG: 0x200,
  EA_INODE: 0x400,
  CSUM_SEED: 0x2000,
  LARGEDIR: 0x4000,
  INLINE_DATA: 0x8000,
  ENCRYPT: 0x10000,
  CASEFOLD: 0x20000,
} as const;

/** Bits of s_feature_ro_compat. */
export const RO_COMPAT = {
  SPARSE_SUPER: 0x1,
  LARGE_FILE: 0x2,
  BTREE_DIR: 0x4,
  HUGE_FILE: 0x8,
  GDT_CSUM: 0x10,
  BIGALLOC: 0x200,
  METADATA_CSUM: 0x400,
} as const;

/** What ext2 and ext3 know, as blkid has it: anything else makes it ext4. */
const EXT2_INCOMPAT = INCOMPAT.FILETYPE | INCOMPAT.META_BG;
const EXT3_INCOMPAT = EXT2_INCOMPAT | INCOMPAT.RECOVER;
const EXT3_RO_COMPAT = RO_COMPAT.SPARSE_SUPER | RO_COMPAT.LARGE_FILE | RO_COMPAT.BTREE_DIR;

const KNOWN_INCOMPAT = Object.values(INCOMPAT).reduce((all, bit) => all | bit, 0);

/** Names of what exists and is not read. */
const OTHER_INCOMPAT: Readonly<Record<number, string>> = { 0x1: 'compression', 0x1000: 'dirdata' };

export interface Features {
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
}

/** `ext2`, `ext3` or `ext4`, as blkid tells them apart. */
export function typeOf({ compat, incompat, roCompat }: Features): 'ext2' | 'ext3' | 'ext4' {
  if ((roCompat & ~EXT3_RO_COMPAT) !== 0 || (incompat & ~EXT3_INCOMPAT) !== 0) return 'ext4';
  return (compat & COMPAT.HAS_JOURNAL) === 0 ? 'ext2' : 'ext3';
}

/**
 * Features that are marked as incompatible are needed to read at all; the read-only-compatible ones are not.
 * @throws {UmbraError} FILESYSTEM_UNREADABLE that names those that are not known
 */
export function checkFeatures({ incompat }: Features): void {
  const names: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    const mask = (1 << bit) >>> 0;
    if ((incompat & ~KNOWN_INCOMPAT & mask) !== 0) names.push(OTHER_INCOMPAT[mask] ?? `0x${mask.toString(16)}`);
  }
  if (names.length === 0) return;
  const hint = 'Mount the raw volume on a machine whose kernel knows these features.';
  throw unreadable(`the file system uses features that are not known: ${names.join(', ')}`, hint);
}

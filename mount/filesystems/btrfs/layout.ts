/**
 * The numbers of the on-disk format (btrfs.readthedocs.io, "On-disk format"; include/uapi/linux/btrfs_tree.h).
 * All integers are little-endian.
 */

/** Types of keys. */
export const KeyType = {
  inodeItem: 1,
  inodeRef: 12,
  inodeExtref: 13,
  xattr: 24,
  orphan: 48,
  dirLogItem: 60,
  dirLogIndex: 72,
  dirItem: 84,
  dirIndex: 96,
  extentData: 108,
  extentCsum: 128,
  rootItem: 132,
  rootBackref: 144,
  rootRef: 156,
  deviceItem: 216,
  chunkItem: 228,
} as const;

/** Numbers of trees and other objects; those at the top of the 64 bits are written as negative numbers. */
export const ObjectId = {
  rootTree: 1,
  /** All device items have it. */
  devices: 1,
  chunkTree: 3,
  topLevel: 5,
  csumTree: 7,
  treeLog: -6,
  extentCsum: -10,
  /** All chunk items have it. */
  firstChunk: 256,
  /** The first inode of each subvolume, its top directory. */
  firstInode: 256,
} as const;

/** Features without which a file system cannot be read: bit by bit, with their names. */
export const INCOMPAT = {
  mixedBackref: 0x1,
  defaultSubvolume: 0x2,
  mixedGroups: 0x4,
  compressLzo: 0x8,
  compressZstd: 0x10,
  bigMetadata: 0x20,
  extendedIref: 0x40,
  raid56: 0x80,
  skinnyMetadata: 0x100,
  noHoles: 0x200,
  metadataUuid: 0x400,
  raid1c34: 0x800,
  zoned: 0x1000,
  extentTreeV2: 0x2000,
  raidStripeTree: 0x4000,
  simpleQuota: 0x10000,
  remapTree: 0x20000,
} as const;

/** Types and profiles of chunks. */
export const ChunkFlag = {
  data: 0x1,
  system: 0x2,
  metadata: 0x4,
  raid0: 0x8,
  raid1: 0x10,
  dup: 0x20,
  raid10: 0x40,
  raid5: 0x80,
  raid6: 0x100,
  raid1c3: 0x200,
  raid1c4: 0x400,
} as const;

/** Bytes of a tree block's header, of an item's head in a leaf, and of a pointer in a node. */
export const HEADER_BYTES = 101;
export const ITEM_BYTES = 25;
export const POINTER_BYTES = 33;
export const KEY_BYTES = 17;
/** A tree is never higher than this (BTRFS_MAX_LEVEL). */
export const MAX_LEVEL = 7;
/** The longest name in a directory (BTRFS_NAME_LEN). */
export const MAX_NAME_BYTES = 255;

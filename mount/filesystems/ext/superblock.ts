import { CRC_START, crcOf } from './checksum.js';
import { damaged } from './errors.js';
import { COMPAT, type Features, INCOMPAT, RO_COMPAT } from './features.js';
import { untilNul, wide } from './numbers.js';

/** Where the primary superblock stands, and what it takes. */
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_BYTES = 1024;

const MAGIC = 0xef53;
const MAGIC_AT = 56;
const CHECKSUM_AT = 1020;
const MAX_BLOCK_BITS = 6;

/** The superblock, as the kernel's `struct ext4_super_block` has it; counts of blocks, not of clusters, unless named so. */
export interface Superblock extends Features {
  readonly blockBytes: number;
  /** Blocks that are allocated as one: 1 without bigalloc. */
  readonly clusterBlocks: number;
  readonly inodesCount: number;
  readonly blocksCount: number;
  readonly reservedBlocks: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly groups: number;
  readonly inodeBytes: number;
  readonly firstInode: number;
  readonly descriptorBytes: number;
  /** Blocks behind the group descriptors that are kept for more of them. */
  readonly reservedDescriptorBlocks: number;
  readonly firstMetaGroup: number;
  readonly backupGroups: readonly [number, number];
  /** The group that this copy stands in. */
  readonly group: number;
  readonly isLinux: boolean;
  readonly hasErrors: boolean;
  readonly label: string;
  readonly uuid: Buffer;
  /** Where checksums of metadata start. */
  readonly checksumSeed: number;
  readonly hashSeed: readonly [number, number, number, number];
  readonly hashVersion: number;
  readonly hashUnsigned: boolean;
  readonly journalInode: number;
  readonly journalUuid: Buffer;
  /** A copy of the journal inode's i_block and size, if it is there. */
  readonly journalBackup: Buffer | undefined;
  readonly overheadClusters: number;
}

/** True if the magic is there, and it is no external journal; `bytes` are a superblock's. */
export function hasMagic(bytes: Buffer): boolean {
  if (bytes.length < SUPERBLOCK_BYTES || bytes.readUInt16LE(MAGIC_AT) !== MAGIC) return false;
  return bytes.readUInt32LE(24) <= MAX_BLOCK_BITS && (bytes.readUInt32LE(96) & INCOMPAT.JOURNAL_DEV) === 0;
}

/**
 * Take a superblock apart.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when it makes no sense
 */
export function parseSuperblock(bytes: Buffer): Superblock {
  if (!hasMagic(bytes)) throw damaged('there is no superblock of ext2, ext3 or ext4');
  const features = {
    compat: bytes.readUInt32LE(92),
    incompat: bytes.readUInt32LE(96),
    roCompat: bytes.readUInt32LE(100),
  };
  checkChecksum(bytes, features);
  const old = bytes.readUInt32LE(76) === 0;
  const uuid = Buffer.from(bytes.subarray(104, 120));
  const superblock: Superblock = {
    ...features,
    ...sizesOf(bytes, features),
    inodesCount: bytes.readUInt32LE(0),
    freeInodes: bytes.readUInt32LE(16),
    inodesPerGroup: bytes.readUInt32LE(40),
    inodeBytes: old ? 128 : bytes.readUInt16LE(88),
    firstInode: old ? 11 : bytes.readUInt32LE(84),
    descriptorBytes: (features.incompat & INCOMPAT.BIT64) === 0 ? 32 : bytes.readUInt16LE(254),
    reservedDescriptorBlocks: bytes.readUInt16LE(206),
    firstMetaGroup: bytes.readUInt32LE(260),
    backupGroups: [bytes.readUInt32LE(0x24c), bytes.readUInt32LE(0x250)],
    group: bytes.readUInt16LE(90),
    isLinux: bytes.readUInt32LE(72) === 0,
    hasErrors: (bytes.readUInt16LE(58) & 2) !== 0,
    label: Buffer.from(untilNul(bytes.subarray(120, 136))).toString('utf8'),
    uuid,
    checksumSeed: (features.incompat & INCOMPAT.CSUM_SEED) === 0 ? crcOf(CRC_START, uuid) : bytes.readUInt32LE(0x270),
    ...hashOf(bytes),
    ...journalOf(bytes, features),
    overheadClusters: bytes.readUInt32LE(0x248),
  };
  checkSense(superblock);
  return superblock;
}

/** True if metadata carries CRC-32C checksums. */
export function hasMetadataChecksums({ roCompat }: Features): boolean {
  return (roCompat & RO_COMPAT.METADATA_CSUM) !== 0;
}

function checkChecksum(bytes: Buffer, features: Features): void {
  if (!hasMetadataChecksums(features)) return;
  if (bytes[0x175] !== 1) throw damaged('the superblock names a kind of checksum that is not known');
  if (crcOf(CRC_START, bytes.subarray(0, CHECKSUM_AT)) !== bytes.readUInt32LE(CHECKSUM_AT)) {
    throw damaged('the checksum of the superblock is wrong');
  }
}

function sizesOf(bytes: Buffer, { incompat, roCompat }: Features) {
  const high = (at: number): number => ((incompat & INCOMPAT.BIT64) === 0 ? 0 : bytes.readUInt32LE(at));
  const blockBits = bytes.readUInt32LE(24);
  const clusterBits = (roCompat & RO_COMPAT.BIGALLOC) === 0 ? blockBits : bytes.readUInt32LE(28);
  if (clusterBits < blockBits || clusterBits > blockBits + 19) throw damaged('the size of clusters makes no sense');
  const blocksCount = wide(bytes.readUInt32LE(4), high(336), 'the number of blocks');
  const firstDataBlock = bytes.readUInt32LE(20);
  const blocksPerGroup = bytes.readUInt32LE(32);
  return {
    blockBytes: 1024 * 2 ** blockBits,
    clusterBlocks: 2 ** (clusterBits - blockBits),
    blocksCount,
    reservedBlocks: wide(bytes.readUInt32LE(8), high(340), 'the number of reserved blocks'),
    freeBlocks: wide(bytes.readUInt32LE(12), high(344), 'the number of free blocks'),
    firstDataBlock,
    blocksPerGroup,
    groups: Math.ceil((blocksCount - firstDataBlock) / Math.max(1, blocksPerGroup)),
  };
}

function hashOf(bytes: Buffer) {
  const word = (index: number): number => bytes.readUInt32LE(236 + 4 * index);
  return {
    hashSeed: [word(0), word(1), word(2), word(3)] as const,
    hashVersion: bytes.readUInt8(252),
    hashUnsigned: (bytes.readUInt32LE(352) & 2) !== 0,
  };
}

function journalOf(bytes: Buffer, { compat }: Features) {
  const journalUuid = Buffer.from(bytes.subarray(208, 224));
  if ((compat & COMPAT.HAS_JOURNAL) === 0) return { journalInode: 0, journalUuid, journalBackup: undefined };
  const hasBackup = bytes[253] === 1;
  return {
    journalInode: bytes.readUInt32LE(224),
    journalUuid,
    journalBackup: hasBackup ? Buffer.from(bytes.subarray(268, 268 + 68)) : undefined,
  };
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

/** As ext4_fill_super() does, before anything relies on it. */
function checkSense(superblock: Superblock): void {
  const { blockBytes, clusterBlocks, inodeBytes, descriptorBytes, blocksCount, firstDataBlock } = superblock;
  const bits = blockBytes * 8;
  const makesSense =
    isPowerOfTwo(inodeBytes) &&
    inodeBytes >= 128 &&
    inodeBytes <= blockBytes &&
    isPowerOfTwo(descriptorBytes) &&
    descriptorBytes >= ((superblock.incompat & INCOMPAT.BIT64) === 0 ? 32 : 64) &&
    descriptorBytes <= 1024 &&
    superblock.blocksPerGroup > 0 &&
    superblock.blocksPerGroup <= bits * clusterBlocks &&
    superblock.inodesPerGroup > 0 &&
    superblock.inodesPerGroup <= bits &&
    firstDataBlock <= 1 &&
    blocksCount > firstDataBlock &&
    superblock.inodesCount <= superblock.groups * superblock.inodesPerGroup;
  if (!makesSense) throw damaged('the superblock makes no sense');
  if (!Number.isSafeInteger(blocksCount * blockBytes)) throw damaged('the superblock names too many blocks');
}

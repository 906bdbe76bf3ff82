import { UmbraError } from '../../../src/common/errors.js';
import { checksumHolds } from './checksum.js';
import { damaged } from './damaged.js';
import { checkIncompatible, checkVersion4, FEATURES2, INCOMPAT, VERSION_BITS } from './features.js';

/** `XFSB` */
export const SUPERBLOCK_MAGIC = 0x58465342;
/** The part of the sector that is used, all features included. */
const USED_BYTES = 264;
const CRC_OFFSET = 224;
const ROOT_OFFSET = 56;
/** NULLFSINO */
const NO_INODE = 0xffff_ffff_ffff_ffffn;

/** What the superblock says: the geometry, features and counters. Sizes are checked against one another. */
export interface Superblock {
  readonly version: 4 | 5;
  readonly blockBytes: number;
  readonly blockLog: number;
  readonly sectorBytes: number;
  /** Blocks of the data device. */
  readonly dataBlocks: number;
  readonly agBlocks: number;
  /** How many bits of a block number are the block in its allocation group. */
  readonly agBlockLog: number;
  readonly agCount: number;
  readonly inodeBytes: number;
  readonly inodesPerBlockLog: number;
  /** Of chunks of inodes, in blocks. */
  readonly inodeAlignment: number;
  readonly directoryBlockBytes: number;
  /** 0 in a copy that does not say. */
  readonly rootInode: number;
  readonly label: string;
  readonly uuid: Buffer;
  /** The one in each metadata block. */
  readonly metaUuid: Buffer;
  /** Block number of the log; 0 if it is on another device. */
  readonly logStart: number;
  readonly logBlocks: number;
  readonly logVersion: 1 | 2;
  /** Features that the log may use. */
  readonly logFeatures: number;
  /** Where the log was when the superblock was written last; 0 before version 5. */
  readonly lsn: bigint;
  readonly realtimeBlocks: number;
  readonly hasFtype: boolean;
  /** Names are looked up without regard to the case of ASCII and Latin-1 letters. */
  readonly ignoresCase: boolean;
  readonly nrext64: boolean;
  readonly inodes: number;
  readonly freeInodes: number;
  readonly freeBlocks: number;
  readonly maxInodePercent: number;
}

/**
 * Take the superblock apart ("XFS Algorithms & Data Structures", superblocks).
 * @param bytes the whole sector, or 512 bytes at least
 * @param isPrimary a secondary one says what cannot be trusted: that mkfs has not finished, and that there is no root
 * @throws {UmbraError} FILESYSTEM_DAMAGED; FILESYSTEM_UNREADABLE for what is not known
 */
export function parseSuperblock(bytes: Buffer, isPrimary = true): Superblock {
  if (bytes.length < 512 || bytes.readUInt32BE(0) !== SUPERBLOCK_MAGIC) throw damaged('no XFS superblock');
  const versionNumber = bytes.readUInt16BE(100);
  const isVersion5 = (versionNumber & 0xf) === 5;
  if (isVersion5) checkSum(bytes);
  const features2 = isVersion5 ? 0 : oldFeatures(bytes, versionNumber);
  const incompat = isVersion5 ? bytes.readUInt32BE(216) : 0;
  if (isVersion5) checkIncompatible(incompat);
  else checkVersion4(versionNumber, features2);
  if (isPrimary && bytes[126] !== 0) throw unfinished();
  const geometry = geometryOf(bytes);
  return {
    version: isVersion5 ? 5 : 4,
    ...geometry,
    ...identityOf(bytes, isVersion5 && (incompat & INCOMPAT.metaUuid) !== 0),
    rootInode: !isPrimary && bytes.readBigUInt64BE(ROOT_OFFSET) === NO_INODE ? 0 : number64(bytes, ROOT_OFFSET, 'root'),
    ...countersOf(bytes),
    inodeAlignment: bytes.readUInt32BE(180),
    logStart: number64(bytes, 48, 'log start'),
    logBlocks: bytes.readUInt32BE(96),
    logVersion: isVersion5 || (versionNumber & VERSION_BITS.logV2) !== 0 ? 2 : 1,
    logFeatures: isVersion5 ? bytes.readUInt32BE(220) : 0,
    lsn: isVersion5 ? bytes.readBigUInt64BE(240) : 0n,
    hasFtype: isVersion5 ? (incompat & INCOMPAT.ftype) !== 0 : (features2 & FEATURES2.ftype) !== 0,
    ignoresCase: (versionNumber & VERSION_BITS.asciiCi) !== 0,
    nrext64: (incompat & INCOMPAT.nrext64) !== 0,
  };
}

function unfinished(): UmbraError {
  return new UmbraError('FILESYSTEM_UNREADABLE', 'the XFS file system was never finished by mkfs.xfs', {
    hint: 'Look at an older shadow copy: there is nothing in this one.',
  });
}

function checkSum(bytes: Buffer): void {
  const sectorBytes = bytes.readUInt16BE(102);
  if (sectorBytes > bytes.length || sectorBytes < USED_BYTES) throw damaged('the superblock has no valid sector size');
  if (!checksumHolds(bytes.subarray(0, sectorBytes), CRC_OFFSET)) throw damaged('the superblock has a wrong checksum');
}

/** Old kernels wrote the second word of features to the wrong place. */
function oldFeatures(bytes: Buffer, versionNumber: number): number {
  if ((versionNumber & VERSION_BITS.moreBits) === 0) return 0;
  return (bytes.readUInt32BE(200) | bytes.readUInt32BE(204)) >>> 0;
}

type Geometry = Pick<
  Superblock,
  | 'blockBytes'
  | 'blockLog'
  | 'sectorBytes'
  | 'dataBlocks'
  | 'agBlocks'
  | 'agBlockLog'
  | 'agCount'
  | 'inodeBytes'
  | 'inodesPerBlockLog'
  | 'directoryBlockBytes'
>;

function geometryOf(bytes: Buffer): Geometry {
  const blockBytes = bytes.readUInt32BE(4);
  const blockLog = bytes[120] ?? 0;
  const inodeBytes = bytes.readUInt16BE(104);
  const inodeLog = bytes[122] ?? 0;
  const sectorBytes = bytes.readUInt16BE(102);
  const agBlockLog = bytes[124] ?? 0;
  const directoryLog = (bytes[192] ?? 0) + blockLog;
  const geometry = {
    ...{ blockBytes, blockLog, sectorBytes, inodeBytes, agBlockLog },
    dataBlocks: number64(bytes, 8, 'size'),
    agBlocks: bytes.readUInt32BE(84),
    agCount: bytes.readUInt32BE(88),
    inodesPerBlockLog: blockLog - inodeLog,
    directoryBlockBytes: 2 ** directoryLog,
  };
  const fits =
    isPower(blockBytes, blockLog, 9, 16) &&
    isPower(inodeBytes, inodeLog, 8, 11) &&
    isPower(sectorBytes, bytes[121] ?? 0, 9, 15) &&
    geometry.inodesPerBlockLog >= 0 &&
    directoryLog <= 16 &&
    groupsFit(geometry);
  if (!fits) throw damaged('the superblock has sizes that do not fit together');
  return geometry;
}

function groupsFit({ agBlocks, agBlockLog, agCount, dataBlocks, blockBytes }: Omit<Geometry, 'sectorBytes'>): boolean {
  if (agBlocks < 5 || agBlocks > 2 ** agBlockLog || agBlocks <= 2 ** (agBlockLog - 1)) return false;
  if (!Number.isSafeInteger(dataBlocks * blockBytes)) return false;
  return dataBlocks <= agCount * agBlocks && dataBlocks > (agCount - 1) * agBlocks;
}

function isPower(bytes: number, log: number, least: number, most: number): boolean {
  return log >= least && log <= most && bytes === 2 ** log;
}

function identityOf(bytes: Buffer, hasMetaUuid: boolean): Pick<Superblock, 'label' | 'uuid' | 'metaUuid'> {
  const [label = ''] = bytes.toString('utf8', 108, 120).split('\0');
  const uuid = Buffer.from(bytes.subarray(32, 48));
  const metaUuid = hasMetaUuid ? Buffer.from(bytes.subarray(248, 264)) : uuid;
  return { label, uuid, metaUuid };
}

function countersOf(
  bytes: Buffer,
): Pick<Superblock, 'realtimeBlocks' | 'inodes' | 'freeInodes' | 'freeBlocks' | 'maxInodePercent'> {
  return {
    realtimeBlocks: number64(bytes, 16, 'realtime blocks'),
    inodes: number64(bytes, 128, 'inodes'),
    freeInodes: number64(bytes, 136, 'free inodes'),
    freeBlocks: number64(bytes, 144, 'free blocks'),
    maxInodePercent: Math.min(bytes[127] ?? 0, 100),
  };
}

function number64(bytes: Buffer, at: number, what: string): number {
  const value = Number(bytes.readBigUInt64BE(at));
  if (!Number.isSafeInteger(value)) throw damaged(`the superblock has an impossible number: ${what}`);
  return value;
}

/** As `blkid` prints it. */
export function uuidText(uuid: Buffer): string {
  return uuid.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

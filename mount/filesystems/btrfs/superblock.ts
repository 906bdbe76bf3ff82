import { type ByteSource, readExactly } from '../../blocks/byte-source.js';
import { type Checksum, checksumKind } from './checksum.js';
import { INCOMPAT } from './layout.js';
import { damaged, u64, unreadable } from './numbers.js';

/** Where the superblock and its mirrors stand. */
const SUPERBLOCK_OFFSETS = [0x10000, 0x4000000, 0x4000000000] as const;
const SUPERBLOCK_BYTES = 4096;
const MAGIC = Buffer.from('_BHRfS_M');
const MAGIC_AT = 0x40;
const SYSTEM_CHUNKS_AT = 0x32b;
const SYSTEM_CHUNKS_BYTES = 2048;
/** The file system was turned into a seed: another one grew out of it. */
const FLAG_SEEDING = 0x1_0000_0000n;
/** A dump of metadata only, as btrfs-image restores it. */
const FLAGS_METADUMP = 0x6_0000_0000n;

/** Where the root block of a tree stands. */
export interface TreeRoot {
  readonly logical: number;
  readonly generation: number;
  readonly level: number;
}

export interface Superblock {
  readonly checksum: Checksum;
  /** As blkid prints it. */
  readonly fsid: string;
  /** The UUID that tree blocks carry: the first one, where it was changed later. */
  readonly metadataUuid: Buffer;
  readonly generation: number;
  readonly root: TreeRoot;
  readonly chunkRoot: TreeRoot;
  /** Undefined if there is no log of what was synchronised since the last commit. */
  readonly logRoot: TreeRoot | undefined;
  readonly totalBytes: number;
  readonly usedBytes: number;
  readonly totalDevices: number;
  readonly sectorBytes: number;
  readonly nodeBytes: number;
  readonly incompat: number;
  readonly seeding: boolean;
  readonly metadataOnly: boolean;
  readonly deviceId: number;
  readonly deviceUuid: string;
  readonly label: string;
  /** Keys and chunks of the system, one after another. */
  readonly systemChunks: Buffer;
  /** True if the first copy is bad and a mirror was taken. */
  readonly fromMirror: boolean;
}

/** True if the first superblock has its magic: mirrors may be those of an older file system. */
export async function hasMagic(source: ByteSource): Promise<boolean> {
  const at = SUPERBLOCK_OFFSETS[0];
  if (source.sizeBytes < at + SUPERBLOCK_BYTES) return false;
  return (await readExactly(source, at + MAGIC_AT, MAGIC.length)).equals(MAGIC);
}

/**
 * The newest superblock with a right checksum; mirrors count only if they are of the same file system as the first.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE
 */
export async function readSuperblock(source: ByteSource): Promise<Superblock> {
  let newest: Superblock | undefined;
  for (const offset of SUPERBLOCK_OFFSETS) {
    if (offset + SUPERBLOCK_BYTES > source.sizeBytes) break;
    const bytes = await readExactly(source, offset, SUPERBLOCK_BYTES);
    if (!isWhole(bytes, offset)) continue;
    const found = parseSuperblock(bytes, offset !== SUPERBLOCK_OFFSETS[0]);
    if (newest === undefined || (found.fsid === newest.fsid && found.generation > newest.generation)) newest = found;
  }
  if (newest === undefined) throw damaged('no copy of the superblock is whole');
  return newest;
}

function isWhole(bytes: Buffer, offset: number): boolean {
  if (!bytes.subarray(MAGIC_AT, MAGIC_AT + MAGIC.length).equals(MAGIC)) return false;
  const checksum = checksumKind(bytes.readUInt16LE(0xc4));
  return checksum.matches(bytes.subarray(32), bytes, 0) && bytes.readBigUInt64LE(0x30) === BigInt(offset);
}

function parseSuperblock(bytes: Buffer, fromMirror: boolean): Superblock {
  const incompat = knownFeatures(bytes.readBigUInt64LE(0xbc));
  const flags = bytes.readBigUInt64LE(0x38);
  const fsid = bytes.subarray(0x20, 0x30);
  const systemBytes = bytes.readUInt32LE(0xa0);
  if (systemBytes > SYSTEM_CHUNKS_BYTES) throw damaged(`${systemBytes} bytes of system chunks are too many`);
  const generation = u64(bytes, 0x48);
  const logRoot = u64(bytes, 0x60);
  return {
    checksum: checksumKind(bytes.readUInt16LE(0xc4)),
    fsid: uuidText(fsid),
    metadataUuid: (incompat & INCOMPAT.metadataUuid) === 0 ? fsid : bytes.subarray(0x23b, 0x24b),
    generation,
    root: { logical: u64(bytes, 0x50), generation, level: bytes.readUInt8(0xc6) },
    chunkRoot: { logical: u64(bytes, 0x58), generation: u64(bytes, 0xa4), level: bytes.readUInt8(0xc7) },
    // A log is of the transaction after the last one that was committed.
    logRoot: logRoot === 0 ? undefined : { logical: logRoot, generation: generation + 1, level: bytes.readUInt8(0xc8) },
    totalBytes: u64(bytes, 0x70),
    usedBytes: u64(bytes, 0x78),
    totalDevices: u64(bytes, 0x88),
    sectorBytes: blockSize(bytes.readUInt32LE(0x90), 'sector'),
    nodeBytes: blockSize(bytes.readUInt32LE(0x94), 'tree block'),
    incompat,
    seeding: (flags & FLAG_SEEDING) !== 0n,
    metadataOnly: (flags & FLAGS_METADUMP) !== 0n,
    deviceId: u64(bytes, 0xc9),
    deviceUuid: uuidText(bytes.subarray(0xc9 + 66, 0xc9 + 82)),
    label: cString(bytes.subarray(0x12b, 0x22b)),
    systemChunks: Buffer.from(bytes.subarray(SYSTEM_CHUNKS_AT, SYSTEM_CHUNKS_AT + systemBytes)),
    fromMirror,
  };
}

const REFUSED: readonly (readonly [number, string])[] = [
  [INCOMPAT.extentTreeV2, 'extent-tree-v2'],
  [INCOMPAT.raidStripeTree, 'raid-stripe-tree'],
  [INCOMPAT.remapTree, 'remap-tree'],
];
const KNOWN = Object.values(INCOMPAT).reduce((all, flag) => all | flag, 0);
const HINT = 'Mount the raw volume with a kernel that knows it.';

function knownFeatures(flags: bigint): number {
  const unknown = flags & ~BigInt(KNOWN);
  if (unknown !== 0n) throw unreadable(`it has features that are not known (0x${unknown.toString(16)})`, HINT);
  const known = Number(flags);
  for (const [flag, name] of REFUSED) if ((known & flag) !== 0) throw unreadable(`it has the feature ${name}`, HINT);
  return known;
}

function blockSize(bytes: number, what: string): number {
  const sizes = [4096, 8192, 16384, 32768, 65536];
  if (!sizes.includes(bytes)) throw damaged(`a ${what} cannot have ${bytes} bytes`);
  return bytes;
}

/** The usual form of a UUID. */
export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

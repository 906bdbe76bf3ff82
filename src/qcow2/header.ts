/** "qcow2 image format", docs/interop/qcow2.txt of QEMU. All numbers are big-endian. */
export const QCOW2_MAGIC = 0x514649fb;
/** So much of a file holds all of the header that is looked at; what a shorter file lacks reads as zeros. */
export const HEADER_BYTES = 112;

/** Incompatible features: who does not know one must not read the file. */
export const Feature = { dirty: 1n, damaged: 2n, dataElsewhere: 4n, compression: 8n, extendedL2: 16n } as const;

const KNOWN = Feature.dirty | Feature.damaged | Feature.dataElsewhere | Feature.compression | Feature.extendedL2;
const V3_HEADER_BYTES = 104;
const MIN_CLUSTER_BITS = 9;
const MAX_CLUSTER_BITS = 21;
/** A cluster has 32 subclusters of a sector or more. */
const MIN_EXTENDED_BITS = 14;
/** QEMU's own limit of an L1 table. */
const MAX_L1_BYTES = 32 * 1024 * 1024;

/** What the tables of a qcow2 file need to be understood. */
export interface Qcow2Header {
  readonly version: 2 | 3;
  /** Of the cluster's size: 9 to 21. */
  readonly clusterBits: number;
  /** Of the disk. */
  readonly sizeBytes: number;
  /** L2 entries of 16 bytes instead of 8, with subclusters. */
  readonly extended: boolean;
  readonly l1Entries: number;
  readonly l1Offset: number;
  /** Where in the file the name of the file stands that it lies on, and how long it is; a length of 0 without one. */
  readonly backingName: { readonly offset: number; readonly length: number };
  readonly compression: 'zlib' | 'zstd';
}

/** Why a file can't be read by its tables alone: the rest of a sentence that begins with its name. */
export interface Qcow2Refusal {
  readonly refused: string;
  /** It makes no sense, or says so of itself; otherwise it is of a kind that is not read. */
  readonly isDamaged: boolean;
}

/**
 * What the header of a qcow2 file says; nothing in it is believed that makes no sense.
 * @param bytes - the first {@link HEADER_BYTES} of the file
 */
export function parseQcow2Header(bytes: Buffer): Qcow2Header | Qcow2Refusal {
  if (bytes.readUInt32BE(0) !== QCOW2_MAGIC) return damaged('has no qcow2 header');
  const version = bytes.readUInt32BE(4);
  if (version !== 2 && version !== 3) return unread(`is of version ${version} of qcow2`);
  if (bytes.readUInt32BE(32) !== 0) return unread('is encrypted');
  const features = version === 2 ? 0n : bytes.readBigUInt64BE(72);
  const refusal = refusedFeatures(features);
  if (refusal !== undefined) return refusal;
  const header = {
    version,
    clusterBits: bytes.readUInt32BE(20),
    sizeBytes: Number(bytes.readBigUInt64BE(24)),
    extended: (features & Feature.extendedL2) !== 0n,
    l1Entries: bytes.readUInt32BE(36),
    l1Offset: Number(bytes.readBigUInt64BE(40)),
    backingName: backingName(bytes),
  } as const;
  const nonsense = nonsenseIn(header, version === 2 ? V3_HEADER_BYTES : bytes.readUInt32BE(100));
  if (nonsense !== undefined) return damaged(nonsense);
  const compression = compressionIn(bytes, features);
  return typeof compression === 'string' ? { ...header, compression } : compression;
}

/** True if it is none that can be read. */
export function isRefused(header: Qcow2Header | Qcow2Refusal): header is Qcow2Refusal {
  return 'refused' in header;
}

/** How many bytes an entry of an L2 table has. */
export function entryBytesOf({ extended }: Pick<Qcow2Header, 'extended'>): number {
  return extended ? 16 : 8;
}

function refusedFeatures(features: bigint): Qcow2Refusal | undefined {
  if ((features & Feature.dataElsewhere) !== 0n) return unread('has its data in another file');
  if ((features & Feature.damaged) !== 0n) return damaged('is marked as damaged');
  const unknown = features & ~KNOWN;
  return unknown === 0n ? undefined : unread(`has features of qcow2 that are not known (${unknown})`);
}

function nonsenseIn(header: Omit<Qcow2Header, 'compression'>, headerBytes: number): string | undefined {
  const { clusterBits, sizeBytes, extended, l1Entries, l1Offset } = header;
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS)
    return 'has a cluster size that is out of range';
  if (extended && clusterBits < MIN_EXTENDED_BITS) return 'has clusters that are too small for subclusters';
  if (headerBytes < V3_HEADER_BYTES || headerBytes > 2 ** clusterBits)
    return 'has a header of a length that is out of range';
  if (!Number.isSafeInteger(sizeBytes)) return 'has a size that is out of range';
  if (l1Entries * 8 > MAX_L1_BYTES) return 'has an L1 table that is too large';
  const tableBytes = (2 ** clusterBits / entryBytesOf(header)) * 2 ** clusterBits;
  if (l1Entries < Math.ceil(sizeBytes / tableBytes)) return 'has an L1 table that is too small for its size';
  return Number.isSafeInteger(l1Offset) && l1Offset % 2 ** clusterBits === 0
    ? undefined
    : 'has an L1 table at a place where none can be';
}

function backingName(bytes: Buffer): Qcow2Header['backingName'] {
  const offset = Number(bytes.readBigUInt64BE(8));
  return { offset, length: offset === 0 ? 0 : bytes.readUInt32BE(16) };
}

/** The bit of the features says that there is a type, so that who knows of none does not read zstd as zlib. */
function compressionIn(bytes: Buffer, features: bigint): Qcow2Header['compression'] | Qcow2Refusal {
  if ((features & Feature.compression) === 0n) return 'zlib';
  const type = bytes.readUInt8(V3_HEADER_BYTES);
  return type === 1 ? 'zstd' : unread(`is compressed in a way that is not known (${type})`);
}

function damaged(refused: string): Qcow2Refusal {
  return { refused, isDamaged: true };
}

function unread(refused: string): Qcow2Refusal {
  return { refused, isDamaged: false };
}

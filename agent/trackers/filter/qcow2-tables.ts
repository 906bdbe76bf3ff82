import { UmbraError } from '../../../src/common/errors.js';

/** Where the bytes of a qcow2 file come from; what lies behind its end reads as zeros. */
export type ReadAt = (target: Uint8Array, offset: number) => Promise<void>;

const MAGIC = 0x514649fb;
/** QEMU's own limit of an L1 table. */
const MAX_L1_BYTES = 32 * 1024 * 1024;
/** Incompatible features that leave the tables as they are: dirty, compression type, extended L2 entries. */
const KNOWN_FEATURES = 1n | 8n | 16n;
const EXTENDED_L2 = 16n;
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
const SECTOR = 512n;

/** What the tables of a qcow2 file need to be understood (QEMU's docs/interop/qcow2.txt). */
export interface Qcow2Header {
  readonly clusterBits: number;
  readonly sizeBytes: number;
  /** 16 bytes an entry instead of 8. */
  readonly extended: boolean;
  readonly l1Entries: number;
  readonly l1Offset: number;
  /** As it is written; empty when there is none. */
  readonly backing: string;
}

/** @throws {UmbraError} IMAGE_FORMAT for what the tables alone do not tell */
export async function readHeader(read: ReadAt): Promise<Qcow2Header> {
  const bytes = Buffer.alloc(112);
  await read(bytes, 0);
  if (bytes.readUInt32BE(0) !== MAGIC) throw refuse('it has no qcow2 header');
  const version = bytes.readUInt32BE(4);
  const features = version >= 3 ? bytes.readBigUInt64BE(72) : 0n;
  if (version < 2 || version > 3) throw refuse(`it is of version ${version}`);
  if (bytes.readUInt32BE(32) !== 0) throw refuse('it is encrypted');
  if ((features & ~KNOWN_FEATURES) !== 0n) throw refuse(`it has the features ${features}`);
  const clusterBits = bytes.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) throw refuse('its cluster size is out of range');
  const l1Entries = bytes.readUInt32BE(36);
  if (l1Entries * 8 > MAX_L1_BYTES) throw refuse('its L1 table is too large');
  const backing = Buffer.alloc(Math.min(1023, bytes.readUInt32BE(16)));
  await read(backing, toNumber(bytes.readBigUInt64BE(8)));
  return {
    clusterBits,
    sizeBytes: toNumber(bytes.readBigUInt64BE(24)),
    extended: (features & EXTENDED_L2) !== 0n,
    l1Entries,
    l1Offset: toNumber(bytes.readBigUInt64BE(40)),
    backing: backing.toString('utf8'),
  };
}

/** Of each L2 table that there is: its index in the L1 table, and its bytes. In order. */
export async function* readTables(
  read: ReadAt,
  header: Qcow2Header,
): AsyncGenerator<{ readonly index: number; readonly table: Buffer }> {
  const l1 = Buffer.alloc(header.l1Entries * 8);
  await read(l1, header.l1Offset);
  for (let index = 0; index < header.l1Entries; index++) {
    const offset = toNumber(l1.readBigUInt64BE(index * 8) & OFFSET_MASK);
    if (offset === 0) continue;
    const table = Buffer.alloc(2 ** header.clusterBits);
    await read(table, offset);
    yield { index, table };
  }
}

/** The bytes of the file that a cluster's data are in; undefined when it has none there. */
export function hostRange(
  entry: bigint,
  clusterBits: number,
): { readonly offset: number; readonly length: number } | undefined {
  if ((entry & COMPRESSED) === 0n) {
    const offset = toNumber(entry & OFFSET_MASK);
    return offset === 0 ? undefined : { offset, length: 2 ** clusterBits };
  }
  // Bits 0 to x-1 are the offset, the others up to 61 the number of further sectors.
  const split = 62n - (BigInt(clusterBits) - 8n);
  const offset = entry & ((1n << split) - 1n);
  const sectors = ((entry & (COMPRESSED - 1n)) >> split) + 1n;
  const start = offset & ~(SECTOR - 1n);
  return { offset: toNumber(start), length: toNumber(sectors * SECTOR + SECTOR) };
}

function toNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse('an offset in it is out of range');
  return Number(value);
}

function refuse(why: string): UmbraError {
  return new UmbraError('IMAGE_FORMAT', `the tables of the qcow2 file cannot be used: ${why}`);
}

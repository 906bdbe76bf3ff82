import { ChunkFlag } from './layout.js';
import { damaged, u64 } from './numbers.js';
import { uuidText } from './superblock.js';

const STRIPE_BYTES = 32;
const HEAD_BYTES = 48;

/** Where a part of a chunk stands on a device. */
export interface Stripe {
  readonly deviceId: number;
  readonly deviceUuid: string;
  readonly physical: number;
}

/** A chunk: a range of logical addresses, and how it is laid out on devices. */
export interface Chunk {
  readonly logical: number;
  readonly length: number;
  readonly flags: number;
  /** Bytes that go to one device before the next one has its turn. */
  readonly stripeBytes: number;
  /** How many devices of RAID10 hold the same. */
  readonly subStripes: number;
  readonly stripes: readonly Stripe[];
}

/** One way to have some bytes: they stand at the first place; with more places they are the exclusive-or of all. */
export type Copy = readonly Stripe[];

/** What is known of a stretch of logical addresses. */
export interface Mapping {
  /** As far as the copies go on without a break. */
  readonly length: number;
  readonly copies: readonly Copy[];
}

/**
 * A chunk item.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when its figures do not fit together
 */
export function parseChunk(logical: number, bytes: Buffer): Chunk {
  if (bytes.length < HEAD_BYTES) throw damaged('a chunk is cut off');
  const count = bytes.readUInt16LE(44);
  const chunk: Chunk = {
    logical,
    length: u64(bytes, 0),
    stripeBytes: u64(bytes, 16),
    flags: u64(bytes, 24),
    subStripes: bytes.readUInt16LE(46),
    stripes: parseStripes(bytes, count),
  };
  const { length, stripeBytes } = chunk;
  const fits = length > 0 && Number.isSafeInteger(logical + length) && stripeBytes > 0 && stripeBytes <= 2 ** 30;
  if (!fits || count === 0 || dataStripes(chunk) < 1) throw damaged(`the chunk at ${logical} makes no sense`);
  return chunk;
}

/** How many bytes a chunk of so many stripes takes. */
export function chunkItemBytes(bytes: Buffer): number {
  if (bytes.length < HEAD_BYTES) throw damaged('a chunk is cut off');
  return HEAD_BYTES + bytes.readUInt16LE(44) * STRIPE_BYTES;
}

function parseStripes(bytes: Buffer, count: number): Stripe[] {
  if (bytes.length < HEAD_BYTES + count * STRIPE_BYTES) throw damaged('the stripes of a chunk are cut off');
  return Array.from({ length: count }, (_, index) => {
    const at = HEAD_BYTES + index * STRIPE_BYTES;
    const physical = u64(bytes, at + 8);
    return { deviceId: u64(bytes, at), deviceUuid: uuidText(bytes.subarray(at + 16, at + 32)), physical };
  });
}

/** How many stripes hold different bytes; less than 1 or a fraction for a layout that cannot be. */
function dataStripes({ flags, stripes, subStripes }: Chunk): number {
  const count = stripes.length;
  if (flags & ChunkFlag.raid0) return count;
  if (flags & ChunkFlag.raid10) return subStripes > 0 && count % subStripes === 0 ? count / subStripes : 0;
  if (flags & ChunkFlag.raid5) return count - 1;
  if (flags & ChunkFlag.raid6) return count - 2;
  return 1;
}

/** How many times the space of its content a chunk takes: by whole copies; parity is a fraction more. */
export function copiesFactor({ flags }: Chunk): number {
  if (flags & ChunkFlag.raid1c4) return 4;
  if (flags & ChunkFlag.raid1c3) return 3;
  return flags & (ChunkFlag.raid1 | ChunkFlag.dup | ChunkFlag.raid10) ? 2 : 1;
}

/** Where the byte at `offset` of a chunk stands: every copy of it. */
export function mapChunk(chunk: Chunk, offset: number): Mapping {
  const { flags, stripes, stripeBytes, length } = chunk;
  const striped = ChunkFlag.raid0 | ChunkFlag.raid10 | ChunkFlag.raid5 | ChunkFlag.raid6;
  if ((flags & striped) === 0) {
    const mirrored = ChunkFlag.dup | ChunkFlag.raid1 | ChunkFlag.raid1c3 | ChunkFlag.raid1c4;
    const used = (flags & mirrored) === 0 ? stripes.slice(0, 1) : stripes;
    return { length: length - offset, copies: used.map((stripe) => [moved(stripe, offset)]) };
  }
  const inStripe = offset % stripeBytes;
  const data = dataStripes(chunk);
  const number = Math.floor(offset / stripeBytes);
  const row = Math.floor(number / data);
  const column = number % data;
  const rest = Math.min(stripeBytes - inStripe, length - offset);
  const at = row * stripeBytes + inStripe;
  return { length: rest, copies: stripedCopies(chunk, { row, column, data, at }) };
}

interface Place {
  readonly row: number;
  readonly column: number;
  /** How many columns there are. */
  readonly data: number;
  /** The offset in each stripe. */
  readonly at: number;
}

function stripedCopies({ flags, stripes, subStripes }: Chunk, { row, column, data, at }: Place): Copy[] {
  const place = (index: number): Stripe[] => stripes.slice(index, index + 1).map((stripe) => moved(stripe, at));
  if (flags & ChunkFlag.raid0) return [place(column)];
  if (flags & ChunkFlag.raid10)
    return Array.from({ length: subStripes }, (_, copy) => place(column * subStripes + copy));
  // RAID5 and 6 turn: the first column moves on by one device each row, the parity after the last column.
  const turned = (index: number): Stripe[] => place((row + index) % stripes.length);
  const others = Array.from({ length: data + 1 }, (_, index) => index).filter((index) => index !== column);
  return [turned(column), others.flatMap(turned)];
}

function moved({ deviceId, deviceUuid, physical }: Stripe, by: number): Stripe {
  return { deviceId, deviceUuid, physical: physical + by };
}

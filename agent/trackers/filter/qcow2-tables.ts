import { UmbraError } from '../../../src/common/errors.js';
import { compressedPlace, type FilePlace, isCompressed, offsetIn } from '../../../src/qcow2/entries.js';
import { HEADER_BYTES, isRefused, parseQcow2Header, type Qcow2Header as Header } from '../../../src/qcow2/header.js';

/** Where the bytes of a qcow2 file come from; what lies behind its end reads as zeros. */
export type ReadAt = (target: Uint8Array, offset: number) => Promise<void>;

const MAX_NAME_BYTES = 1023;

export interface Qcow2Header extends Header {
  /** As it is written; empty when there is none. */
  readonly backing: string;
}

/** @throws {UmbraError} IMAGE_FORMAT for what the tables alone do not tell */
export async function readHeader(read: ReadAt): Promise<Qcow2Header> {
  const bytes = Buffer.alloc(HEADER_BYTES);
  await read(bytes, 0);
  const header = parseQcow2Header(bytes);
  if (isRefused(header)) throw refuse(`it ${header.refused}`);
  const { offset, length } = header.backingName;
  if (!Number.isSafeInteger(offset)) throw refuse('an offset in it is out of range');
  const backing = Buffer.alloc(Math.min(MAX_NAME_BYTES, length));
  await read(backing, offset);
  return { ...header, backing: backing.toString('utf8') };
}

/** Of each L2 table that there is: its index in the L1 table, and its bytes. In order. */
export async function* readTables(
  read: ReadAt,
  header: Qcow2Header,
): AsyncGenerator<{ readonly index: number; readonly table: Buffer }> {
  const l1 = Buffer.alloc(header.l1Entries * 8);
  await read(l1, header.l1Offset);
  for (let index = 0; index < header.l1Entries; index++) {
    const offset = offsetIn({ high: l1.readUInt32BE(index * 8), low: l1.readUInt32BE(index * 8 + 4) });
    if (offset === 0) continue;
    if (!Number.isSafeInteger(offset)) throw refuse('an offset in it is out of range');
    const table = Buffer.alloc(2 ** header.clusterBits);
    await read(table, offset);
    yield { index, table };
  }
}

/** The bytes of the file that the data of a cluster with this entry are in; undefined when it has none there. */
export function hostRange(entry: bigint, clusterBits: number): FilePlace | undefined {
  const halves = { high: Number(entry >> 32n), low: Number(entry & 0xffff_ffffn) };
  const place = isCompressed(halves)
    ? compressedPlace(halves, clusterBits)
    : { offset: offsetIn(halves), length: 2 ** clusterBits };
  if (!Number.isSafeInteger(place.offset)) throw refuse('an offset in it is out of range');
  return place.offset === 0 ? undefined : place;
}

function refuse(why: string): UmbraError {
  return new UmbraError('IMAGE_FORMAT', `the tables of the qcow2 file cannot be used: ${why}`);
}

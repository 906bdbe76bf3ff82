import { type Attribute, parseAttributes } from './attribute.js';
import { applyFixups } from './fixups.js';
import { damaged } from './parse.js';

const HEADER_BYTES = 42;
const IN_USE = 0x01;
const DIRECTORY = 0x02;

/** A record of `$MFT`: a file, or a part of one that needs more than one record. */
export interface FileRecord {
  readonly number: number;
  /** Counts the files that had this record. */
  readonly sequence: number;
  readonly inUse: boolean;
  readonly isDirectory: boolean;
  /** The record of the file that this one is a part of; undefined if it is the file's first. */
  readonly base: number | undefined;
  readonly attributes: readonly Attribute[];
}

/**
 * @param bytes of the record as they stand on the volume; changed
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseFileRecord(number: number, bytes: Buffer): FileRecord {
  if (bytes.toString('latin1', 0, 4) !== 'FILE') throw damaged(`file record ${number} is none`);
  if (!applyFixups(bytes)) throw damaged(`file record ${number} was written only in part`);
  const flags = bytes.readUInt16LE(22);
  const used = bytes.readUInt32LE(24);
  const first = bytes.readUInt16LE(20);
  if (used > bytes.length || first < HEADER_BYTES || first >= used)
    throw damaged(`file record ${number} makes no sense`);
  const reference = parseReference(bytes, 32);
  return {
    number,
    sequence: bytes.readUInt16LE(16),
    inUse: (flags & IN_USE) !== 0,
    isDirectory: (flags & DIRECTORY) !== 0,
    base: reference.number === 0 && reference.sequence === 0 ? undefined : reference.number,
    attributes: parseAttributes(bytes.subarray(0, used), first),
  };
}

/** The name of a file inside of a volume: its record, and which of the files that had the record it is. */
export interface FileReference {
  readonly number: number;
  readonly sequence: number;
}

/** A file reference: 48 bits of record, 16 of sequence. */
export function parseReference(bytes: Buffer, offset: number): FileReference {
  return { number: bytes.readUIntLE(offset, 6), sequence: bytes.readUInt16LE(offset + 6) };
}

/** NTFS has at most 2^32 files. */
const MAX_RECORDS = 2 ** 32;

/**
 * A reference as one number, the volume's own name of a file.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function packReference(reference: FileReference): number {
  if (reference.number >= MAX_RECORDS) throw damaged(`there can be no file record ${reference.number}`);
  return reference.sequence * MAX_RECORDS + reference.number;
}

/** The reference that {@link packReference} made a number of. */
export function unpackReference(packed: number): FileReference {
  const number = packed % MAX_RECORDS;
  return { number, sequence: (packed - number) / MAX_RECORDS };
}

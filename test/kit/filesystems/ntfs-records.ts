/** File records, attributes and blocks as they stand on a volume, made without the code under test. */

/** Put the protection of records of several sectors ("update sequence") into one, in place. */
export function protect(record: Buffer, arrayOffset: number, sequence = 7): Buffer {
  const pieces = record.length / 512;
  record.writeUInt16LE(arrayOffset, 4);
  record.writeUInt16LE(pieces + 1, 6);
  record.writeUInt16LE(sequence, arrayOffset);
  for (let piece = 1; piece <= pieces; piece++) {
    record.copy(record, arrayOffset + 2 * piece, piece * 512 - 2, piece * 512);
    record.writeUInt16LE(sequence, piece * 512 - 2);
  }
  return record;
}

/** Take it out again, in place. */
export function unprotect(record: Buffer): Buffer {
  const arrayOffset = record.readUInt16LE(4);
  for (let piece = 1; piece < record.readUInt16LE(6); piece++) {
    record.copy(record, piece * 512 - 2, arrayOffset + 2 * piece, arrayOffset + 2 * piece + 2);
  }
  return record;
}

/** Runs as [clusters, first cluster]; a hole has no first cluster. */
export type Runs = readonly (readonly [length: number, lcn?: number])[];

/** A list of runs in its encoded form. */
export function mappingPairs(runs: Runs): Buffer {
  let before = 0;
  const parts = runs.map(([length, lcn]) => {
    const pair = Buffer.alloc(lcn === undefined ? 5 : 9);
    pair.writeUInt8(lcn === undefined ? 0x04 : 0x44, 0);
    pair.writeInt32LE(length, 1);
    if (lcn !== undefined) pair.writeInt32LE(lcn - before, 5);
    before = lcn ?? before;
    return pair;
  });
  return Buffer.concat([...parts, Buffer.of(0)]);
}

export interface AttributeOptions {
  readonly type: number;
  readonly name?: string;
  readonly instance?: number;
  readonly flags?: number;
  readonly value?: Buffer;
  readonly runs?: Runs;
  readonly lowestVcn?: number;
  readonly sizeBytes?: number;
}

/** An attribute: resident with a `value`, else with `runs`. */
export function attribute(options: AttributeOptions): Buffer {
  const { type, name = '', instance = 0, flags = 0, value, runs = [], lowestVcn = 0, sizeBytes = 0 } = options;
  const nameBytes = Buffer.from(name, 'utf16le');
  const header = Buffer.alloc(value === undefined ? 72 : 24);
  const contentOffset = Math.ceil((header.length + nameBytes.length) / 8) * 8;
  const content = value ?? mappingPairs(runs);
  const bytes = Buffer.alloc(Math.ceil((contentOffset + content.length) / 8) * 8);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(bytes.length, 4);
  header.writeUInt8(value === undefined ? 1 : 0, 8);
  header.writeUInt8(name.length, 9);
  header.writeUInt16LE(header.length, 10);
  header.writeUInt16LE(flags, 12);
  header.writeUInt16LE(instance, 14);
  if (value === undefined) {
    header.writeBigUInt64LE(BigInt(lowestVcn), 16);
    header.writeUInt16LE(contentOffset, 32);
    for (const offset of [40, 48, 56, 64]) header.writeBigUInt64LE(BigInt(sizeBytes), offset);
  } else {
    header.writeUInt32LE(value.length, 16);
    header.writeUInt16LE(contentOffset, 20);
  }
  header.copy(bytes);
  nameBytes.copy(bytes, header.length);
  content.copy(bytes, contentOffset);
  return bytes;
}

export interface RecordOptions {
  readonly attributes: readonly Buffer[];
  readonly flags?: number;
  readonly sequence?: number;
  /** The file that it is a part of. */
  readonly base?: number;
}

/** A file record of 1 KiB. */
export function fileRecord({ attributes, flags = 1, sequence = 1, base = 0 }: RecordOptions): Buffer {
  const record = Buffer.alloc(1024);
  record.write('FILE', 'latin1');
  record.writeUInt16LE(sequence, 16);
  record.writeUInt16LE(1, 18);
  record.writeUInt16LE(56, 20);
  record.writeUInt16LE(flags, 22);
  const body = Buffer.concat([...attributes, Buffer.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)]);
  record.writeUInt32LE(56 + body.length, 24);
  record.writeUInt32LE(record.length, 28);
  if (base !== 0) {
    record.writeUIntLE(base, 32, 6);
    record.writeUInt16LE(1, 38);
  }
  body.copy(record, 56);
  return protect(record, 48);
}

/** An entry of an attribute list. */
export function listEntry(type: number, vcn: number, record: number, instance: number): Buffer {
  const entry = Buffer.alloc(32);
  entry.writeUInt32LE(type, 0);
  entry.writeUInt16LE(entry.length, 4);
  entry.writeUInt8(26, 7);
  entry.writeBigUInt64LE(BigInt(vcn), 8);
  entry.writeUIntLE(record, 16, 6);
  entry.writeUInt16LE(1, 22);
  entry.writeUInt16LE(instance, 24);
  return entry;
}

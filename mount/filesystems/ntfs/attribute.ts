import { damaged, readSize, utf16 } from './parse.js';

/** The kinds of attributes. */
export const AttributeType = {
  STANDARD_INFORMATION: 0x10,
  ATTRIBUTE_LIST: 0x20,
  FILE_NAME: 0x30,
  SECURITY_DESCRIPTOR: 0x50,
  VOLUME_NAME: 0x60,
  VOLUME_INFORMATION: 0x70,
  DATA: 0x80,
  INDEX_ROOT: 0x90,
  INDEX_ALLOCATION: 0xa0,
  BITMAP: 0xb0,
  REPARSE_POINT: 0xc0,
  EA: 0xe0,
} as const;

const END = 0xffffffff;
const COMPRESSED = 0x00ff;
const ENCRYPTED = 0x4000;
const SPARSE = 0x8000;

/** An attribute whose content stands in clusters of its own, or a later part of one. */
export interface Nonresident {
  /** The first cluster of the stream that this record's runs are for: 0 in the first record, which has the sizes. */
  readonly lowestVcn: number;
  readonly allocatedBytes: number;
  readonly sizeBytes: number;
  /** From here on the content is zeros, whatever the clusters hold. */
  readonly initializedBytes: number;
  /** What a compressed or sparse stream really takes. */
  readonly takenBytes: number;
  /** Clusters in a compression unit; 1 without. */
  readonly unitClusters: number;
  /** The encoded list of runs. */
  readonly pairs: Buffer;
}

const HEADER_BYTES = 24;
const NONRESIDENT_BYTES = 64;
const SPARSE_BYTES = 72;
const MAX_UNIT_EXPONENT = 16;

/** One attribute of a file record. Most are never looked at, so that no more is made of them than a place in the record. */
export class Attribute {
  readonly type: number;
  readonly name: string;
  readonly #record: Buffer;
  readonly #at: number;
  readonly #end: number;

  /**
   * @param record with the attribute from `at` to `end`, at least 24 bytes
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  constructor(record: Buffer, at: number, end: number) {
    this.#record = record;
    this.#at = at;
    this.#end = end;
    this.type = record.readUInt32LE(at);
    const nameStart = at + record.readUInt16LE(at + 10);
    const nameEnd = nameStart + 2 * record.readUInt8(at + 9);
    if (nameEnd > end) throw damaged('a stream name is cut off');
    this.name = nameStart === nameEnd ? '' : utf16(record, nameStart, nameEnd);
  }

  get instance(): number {
    return this.#record.readUInt16LE(this.#at + 14);
  }

  get compressed(): boolean {
    return (this.#flags & COMPRESSED) !== 0;
  }

  get encrypted(): boolean {
    return (this.#flags & ENCRYPTED) !== 0;
  }

  get isResident(): boolean {
    return this.#record[this.#at + 8] === 0;
  }

  /**
   * The content, if it stands in the record.
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  get value(): Buffer | undefined {
    if (!this.isResident) return undefined;
    const start = this.#at + this.#record.readUInt16LE(this.#at + 20);
    const end = start + this.#record.readUInt32LE(this.#at + 16);
    if (end > this.#end) throw damaged('an attribute is cut off');
    return this.#record.subarray(start, end);
  }

  /**
   * What is known of the clusters in which the content stands otherwise.
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  get nonresident(): Nonresident | undefined {
    return this.isResident ? undefined : parseNonresident(this.#record.subarray(this.#at, this.#end), this.#flags);
  }

  get #flags(): number {
    return this.#record.readUInt16LE(this.#at + 12);
  }
}

/**
 * The attributes of a file record.
 * @param bytes the record's used part
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseAttributes(bytes: Buffer, offset: number): Attribute[] {
  const attributes: Attribute[] = [];
  for (let at = offset; at + 4 <= bytes.length;) {
    if (bytes.readUInt32LE(at) === END) return attributes;
    if (at + HEADER_BYTES > bytes.length) break;
    const length = bytes.readUInt32LE(at + 4);
    if (length < HEADER_BYTES || length % 8 !== 0) throw damaged(`an attribute has ${length} bytes`);
    if (at + length > bytes.length) throw damaged('an attribute is cut off');
    attributes.push(new Attribute(bytes, at, at + length));
    at += length;
  }
  throw damaged('the list of attributes has no end');
}

function parseNonresident(bytes: Buffer, flags: number): Nonresident {
  const hasTaken = (flags & (COMPRESSED | SPARSE)) !== 0;
  const lowestVcn = bytes.length < NONRESIDENT_BYTES ? 0 : readSize(bytes, 16);
  const isFirst = lowestVcn === 0;
  if (bytes.length < (hasTaken && isFirst ? SPARSE_BYTES : NONRESIDENT_BYTES)) throw damaged('an attribute is cut off');
  const pairsOffset = bytes.readUInt16LE(32);
  const exponent = bytes.readUInt8(34);
  if (pairsOffset > bytes.length || exponent > MAX_UNIT_EXPONENT) throw damaged('an attribute makes no sense');
  const allocatedBytes = isFirst ? readSize(bytes, 40) : 0;
  return {
    lowestVcn,
    allocatedBytes,
    sizeBytes: isFirst ? readSize(bytes, 48) : 0,
    initializedBytes: isFirst ? readSize(bytes, 56) : 0,
    takenBytes: hasTaken && isFirst ? readSize(bytes, 64) : allocatedBytes,
    unitClusters: 2 ** exponent,
    pairs: bytes.subarray(pairsOffset),
  };
}

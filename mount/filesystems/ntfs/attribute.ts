import { damaged, part, readSize, utf16 } from './parse.js';

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

/** One attribute of a file record. */
export interface Attribute {
  readonly type: number;
  readonly name: string;
  readonly instance: number;
  readonly compressed: boolean;
  readonly encrypted: boolean;
  readonly sparse: boolean;
  /** The content, if it stands in the record. */
  readonly value?: Buffer;
  readonly nonresident?: Nonresident;
}

/**
 * The attributes of a file record.
 * @param bytes the record's used part
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseAttributes(bytes: Buffer, offset: number): Attribute[] {
  const attributes: Attribute[] = [];
  for (let at = offset; at + 4 <= bytes.length;) {
    const type = bytes.readUInt32LE(at);
    if (type === END) return attributes;
    if (at + 24 > bytes.length) break;
    const length = bytes.readUInt32LE(at + 4);
    if (length < 24 || length % 8 !== 0) throw damaged(`an attribute has ${length} bytes`);
    attributes.push(parseAttribute(type, part(bytes, at, length, 'an attribute')));
    at += length;
  }
  throw damaged('the list of attributes has no end');
}

function parseAttribute(type: number, bytes: Buffer): Attribute {
  const nameLength = bytes.readUInt8(9);
  const name = nameLength === 0 ? '' : utf16(part(bytes, bytes.readUInt16LE(10), 2 * nameLength, 'a stream name'));
  const flags = bytes.readUInt16LE(12);
  const common = {
    type,
    name,
    instance: bytes.readUInt16LE(14),
    compressed: (flags & COMPRESSED) !== 0,
    encrypted: (flags & ENCRYPTED) !== 0,
    sparse: (flags & SPARSE) !== 0,
  };
  if (bytes.readUInt8(8) !== 0) return { ...common, nonresident: parseNonresident(bytes, flags) };
  const value = part(bytes, bytes.readUInt16LE(20), bytes.readUInt32LE(16), 'an attribute');
  return { ...common, value };
}

function parseNonresident(bytes: Buffer, flags: number): Nonresident {
  const hasTaken = (flags & (COMPRESSED | SPARSE)) !== 0;
  const lowestVcn = bytes.length < 64 ? 0 : readSize(bytes, 16);
  if (bytes.length < (hasTaken && lowestVcn === 0 ? 72 : 64)) throw damaged('an attribute is cut off');
  const pairsOffset = bytes.readUInt16LE(32);
  const exponent = bytes.readUInt8(34);
  if (pairsOffset > bytes.length || exponent > 16) throw damaged('an attribute makes no sense');
  const allocatedBytes = lowestVcn === 0 ? readSize(bytes, 40) : 0;
  return {
    lowestVcn,
    allocatedBytes,
    sizeBytes: lowestVcn === 0 ? readSize(bytes, 48) : 0,
    initializedBytes: lowestVcn === 0 ? readSize(bytes, 56) : 0,
    takenBytes: hasTaken && lowestVcn === 0 ? readSize(bytes, 64) : allocatedBytes,
    unitClusters: 2 ** exponent,
    pairs: bytes.subarray(pairsOffset),
  };
}

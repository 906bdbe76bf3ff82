import { damaged } from './parse.js';

const BYTES = 48;
/** From NTFS 3.0 on. */
const LONG_BYTES = 72;

/** 100 ns from 1601 to 1970. */
const EPOCH = 116_444_736_000_000_000n;

/** What `$STANDARD_INFORMATION` says of a file. */
export interface StandardInformation {
  readonly birthNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly atimeNs: bigint;
  /** The time of its making as it stands there: 100 ns since 1601. */
  readonly birthTime: bigint;
  readonly attributes: number;
  /** The number of its security descriptor; 0 if it has one of its own. */
  readonly securityId: number;
}

/** @throws {UmbraError} FILESYSTEM_DAMAGED */
export function parseStandardInformation(value: Buffer | undefined): StandardInformation {
  if (value === undefined || value.length < BYTES) throw damaged('a file has no times');
  const birthTime = value.readBigUInt64LE(0);
  return {
    birthNs: timeNs(birthTime),
    mtimeNs: timeNs(value.readBigUInt64LE(8)),
    ctimeNs: timeNs(value.readBigUInt64LE(16)),
    atimeNs: timeNs(value.readBigUInt64LE(24)),
    birthTime,
    attributes: value.readUInt32LE(32),
    securityId: value.length < LONG_BYTES ? 0 : value.readUInt32LE(52),
  };
}

function timeNs(time: bigint): bigint {
  return (time - EPOCH) * 100n;
}

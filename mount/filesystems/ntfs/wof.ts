import { type ReparsePoint, ReparseTag } from './reparse-point.js';

/** Where the compressed bytes of a file are that Windows compressed ("CompactOS", `compact /exe`). */
export const WOF_STREAM = 'WofCompressedData';

const VERSION = 1;
/** The bytes are in the file; another provider has them in a WIM archive. */
const PROVIDER_FILE = 2;

/** How a file was compressed: in chunks of that size, each by itself. */
export interface WofCompression {
  readonly algorithm: 'xpress' | 'lzx';
  readonly chunkBytes: number;
}

const COMPRESSIONS: readonly WofCompression[] = [
  { algorithm: 'xpress', chunkBytes: 4096 },
  { algorithm: 'lzx', chunkBytes: 32_768 },
  { algorithm: 'xpress', chunkBytes: 8192 },
  { algorithm: 'xpress', chunkBytes: 16_384 },
];

/** How the file with that reparse point is compressed; undefined if it is not, or in a way that is not known. */
export function wofCompression(reparse: ReparsePoint | undefined): WofCompression | undefined {
  if (reparse?.tag !== ReparseTag.WOF || reparse.data.length < 16) return undefined;
  const { data } = reparse;
  if (data.readUInt32LE(0) !== VERSION || data.readUInt32LE(4) !== PROVIDER_FILE) return undefined;
  return data.readUInt32LE(8) === VERSION ? COMPRESSIONS[data.readUInt32LE(12)] : undefined;
}

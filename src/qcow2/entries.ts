/** A number in two halves, as it stands in a table: offsets have up to 56 bits, more than a number has for sure. */
interface Halves {
  readonly high: number;
  readonly low: number;
}

const SECTOR = 512;
const COMPRESSED = 0x4000_0000;
/** Bits 56 to 63 are flags, 0 to 8 reserved or flags. */
const HIGH_OFFSET = 0x00ff_ffff;
const LOW_OFFSET = 0xffff_fe00;

/** A stretch of the file. */
export interface FilePlace {
  readonly offset: number;
  readonly length: number;
}

/** True of an entry of an L2 table whose cluster is compressed. */
export function isCompressed({ high }: Pick<Halves, 'high'>): boolean {
  return (high & COMPRESSED) !== 0;
}

/** The offset in an entry of an L1 table, or in one of an L2 table that is not compressed; 0 for none. */
export function offsetIn({ high, low }: Halves): number {
  return (high & HIGH_OFFSET) * 2 ** 32 + ((low & LOW_OFFSET) >>> 0);
}

/** Where the data of a compressed cluster stand: whole sectors but for the beginning of the first. */
export function compressedPlace({ high, low }: Halves, clusterBits: number): FilePlace {
  // Bits 0 to x-1 are the offset, the others up to 61 the number of further sectors.
  const split = 62 - (clusterBits - 8) - 32;
  const offset = (high & (2 ** split - 1)) * 2 ** 32 + low;
  const sectors = ((high & (COMPRESSED - 1)) >>> split) + 1;
  return { offset, length: sectors * SECTOR - (offset % SECTOR) };
}

import { type ByteSource, readExactly } from '../../blocks/byte-source.js';
import type { FatLayout } from './boot-sector.js';
import { FIRST_CLUSTER } from './cluster-table.js';

/** Up to that size the table itself is counted; above it FSInfo is believed if it makes sense. */
const MAX_COUNTED_BYTES = 4 * 1024 * 1024;
const PIECE_BYTES = 768 * 1024;

/** FSInfo's signatures and where they stand. FAT specification, section 5. */
const LEAD_SIGNATURE = 0x41615252;
const STRUCTURE_SIGNATURE = 0x61417272;

/**
 * How many clusters are free.
 * @throws {UmbraError} FILESYSTEM_DAMAGED when the table lies outside, STORE_DAMAGED
 */
export async function countFreeClusters(source: ByteSource, layout: FatLayout): Promise<number> {
  const { kind, clusters } = layout;
  const bytes = Math.ceil(((clusters + FIRST_CLUSTER) * kind) / 8);
  if (bytes > MAX_COUNTED_BYTES) {
    const told = await freeByInfo(source, layout);
    if (told !== undefined) return told;
  }
  const start = layout.fatOffset + (layout.activeFat ?? 0) * layout.fatBytes;
  let free = 0;
  for (let at = 0; at < bytes; at += PIECE_BYTES) {
    const piece = await readExactly(source, start + at, Math.min(PIECE_BYTES, bytes - at));
    const first = (at * 8) / kind;
    free += freeIn(piece, kind, Math.max(0, FIRST_CLUSTER - first), clusters + FIRST_CLUSTER - first);
  }
  return free;
}

/** Free entries of a piece of a table from the index `from` up to `end` or the piece's end. */
function freeIn(piece: Buffer, kind: 12 | 16 | 32, from: number, end: number): number {
  const last = Math.min(end, Math.floor((piece.length * 8) / kind));
  let free = 0;
  for (let index = from; index < last; index++) {
    if (entryOf(piece, kind, index) === 0) free += 1;
  }
  return free;
}

function entryOf(piece: Buffer, kind: 12 | 16 | 32, index: number): number {
  if (kind === 32) return piece.readUInt32LE(index * 4) & 0x0fffffff;
  if (kind === 16) return piece.readUInt16LE(index * 2);
  const at = index + (index >> 1);
  const [low = 0, high = 0] = [piece[at], piece[at + 1]];
  return index % 2 === 0 ? low | ((high & 15) << 8) : (low >> 4) | (high << 4);
}

async function freeByInfo(source: ByteSource, { infoOffset, clusters }: FatLayout): Promise<number | undefined> {
  if (infoOffset === 0 || infoOffset + 512 > source.sizeBytes) return undefined;
  const info = await readExactly(source, infoOffset, 512);
  if (info.readUInt32LE(0) !== LEAD_SIGNATURE || info.readUInt32LE(484) !== STRUCTURE_SIGNATURE) return undefined;
  const free = info.readUInt32LE(488);
  return free <= clusters ? free : undefined;
}

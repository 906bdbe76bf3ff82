import type { FilesystemUsage } from '../filesystem.js';
import { AttributeType } from './attribute.js';
import type { NtfsCore } from './core.js';
import { Inode } from './inode.js';
import { SystemFile } from './mft.js';
import { PlainReader } from './plain-reader.js';
import { streamOf } from './stream.js';

const PIECE_BYTES = 256 * 1024;

/** How many bits of each byte are set. */
const BITS = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

/** Count what is free in `$Bitmap`, a bit for each cluster, and in the bitmap of `$MFT`. */
export async function countUsage(core: NtfsCore): Promise<FilesystemUsage> {
  const { clusterBytes, clusters } = core.geometry;
  // Of a volume that is cut off, no more than is there: what it claims to be may be any number.
  const present = Math.min(clusters, Math.ceil(core.source.sizeBytes / clusterBytes));
  const usedClusters = await countBits(core, SystemFile.BITMAP, AttributeType.DATA, present);
  const files = core.mft.records;
  const usedFiles = await countBits(core, SystemFile.MFT, AttributeType.BITMAP, files);
  return {
    blockBytes: clusterBytes,
    blocks: clusters,
    freeBlocks: present - usedClusters,
    files,
    freeFiles: files - usedFiles,
  };
}

/** How many of the first `bits` bits are set. */
async function countBits(core: NtfsCore, record: number, type: number, bits: number): Promise<number> {
  const inode = await Inode.loadRecord(core, record);
  const reader = new PlainReader(core, streamOf(core, await inode.parts(type, '')));
  const bytes = Math.min(Math.ceil(bits / 8), reader.sizeBytes);
  const piece = Buffer.alloc(PIECE_BYTES);
  let count = 0;
  for (let at = 0; at < bytes; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, bytes - at);
    await reader.read(piece.subarray(0, length), at);
    for (let index = 0; index < length; index++) count += BITS[piece[index] ?? 0] ?? 0;
    if (at + length === bytes) count -= surplus(piece[length - 1] ?? 0, 8 * bytes - bits);
  }
  return count;
}

/** How many of the upper `unused` bits of the last byte are set. */
function surplus(byte: number, unused: number): number {
  return unused <= 0 ? 0 : (BITS[byte >> (8 - unused)] ?? 0);
}

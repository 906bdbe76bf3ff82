import type { FilesystemUsage } from '../filesystem.js';
import { copiesFactor, parseChunk } from './chunk.js';
import { ChunkFlag, KeyType, ObjectId } from './layout.js';
import type { Superblock } from './superblock.js';
import type { ItemTree } from './item-tree.js';

/** How many chunks are looked at for the profile of data. */
const MAX_CHUNKS = 10_000;

/**
 * About what the kernel's statfs gives: the space of all devices by the number of copies that data has, less what is
 * used. The kernel also leaves out its reserve, and counts every copy of metadata: that would need all block groups.
 */
export async function btrfsUsage(superblock: Superblock, chunkTree: ItemTree): Promise<FilesystemUsage> {
  const factor = await dataFactor(chunkTree);
  const { totalBytes, usedBytes, sectorBytes } = superblock;
  const blocks = Math.floor(totalBytes / factor / sectorBytes);
  const freeBlocks = Math.max(0, blocks - Math.ceil(usedBytes / sectorBytes));
  return { blockBytes: sectorBytes, blocks, freeBlocks, files: 0, freeFiles: 0 };
}

/** How many times data is stored, by the last chunk of data. */
async function dataFactor(chunkTree: ItemTree): Promise<number> {
  const from = { objectId: ObjectId.firstChunk, type: KeyType.chunkItem, offset: 0 };
  let factor = 1;
  let seen = 0;
  for await (const items of chunkTree.batches(from, { ...from, offset: -1 })) {
    for (const { offset, data } of items) {
      const chunk = parseChunk(offset, data);
      if ((chunk.flags & ChunkFlag.data) !== 0) factor = copiesFactor(chunk);
    }
    seen += items.length;
    if (seen > MAX_CHUNKS) break;
  }
  return factor;
}

import type { BlockCache } from '../blocks/block-cache.js';
import { Lru } from '../filesystems/lru.js';

/** Decompressed clusters that are kept, of all files together; one is kept whatever its size, of 2 MiB at most. */
const CLUSTERS_BYTES = 8 * 1024 * 1024;

/** What reading images keeps in memory, for all of them together. */
export interface ImageCaches {
  /** Their tables. */
  readonly blocks: BlockCache;
  /** Their clusters that are stored compressed, plain, by file and number. */
  readonly clusters: Lru<string, Buffer>;
}

/** @param blocks may hold others' units too */
export function imageCaches(blocks: BlockCache): ImageCaches {
  return { blocks, clusters: new Lru(CLUSTERS_BYTES, ({ length }) => length) };
}

import { type Chunk, chunkItemBytes, type Mapping, mapChunk, parseChunk } from './chunk.js';
import { readKey } from './key.js';
import { KEY_BYTES, KeyType, ObjectId } from './layout.js';
import { damaged } from './numbers.js';
import type { ItemTree } from './item-tree.js';

/** Finds where logical addresses stand. */
export interface ChunkMap {
  /** @throws {UmbraError} FILESYSTEM_DAMAGED when nothing is there */
  map(logical: number): Mapping | Promise<Mapping>;
}

/** The chunks of the chunk tree itself, which the superblock lists. */
export class SystemChunks implements ChunkMap {
  readonly #chunks: readonly Chunk[];

  constructor(array: Buffer) {
    this.#chunks = parseSystemChunks(array);
  }

  map(logical: number): Mapping {
    const chunk = this.#chunks.find((chunk) => contains(chunk, logical));
    if (chunk === undefined) throw damaged(`no chunk of the system holds the address ${logical}`);
    return mapChunk(chunk, logical - chunk.logical);
  }
}

/** How many chunks are kept. */
const MAX_KEPT = 256;

/** All chunks, found in the chunk tree when they are needed: a large file system has tens of thousands. */
export class TreeChunks implements ChunkMap {
  readonly #tree: ItemTree;
  /** In order of their addresses; all forgotten when there are too many. */
  #kept: Chunk[] = [];

  constructor(tree: ItemTree) {
    this.#tree = tree;
  }

  map(logical: number): Mapping | Promise<Mapping> {
    const at = this.#before(logical);
    const chunk = this.#kept[at];
    if (chunk !== undefined && contains(chunk, logical)) return mapChunk(chunk, logical - chunk.logical);
    return this.#find(logical);
  }

  async #find(logical: number): Promise<Mapping> {
    const item = await this.#tree.floor({ objectId: ObjectId.firstChunk, type: KeyType.chunkItem, offset: logical });
    const isChunk = item?.objectId === ObjectId.firstChunk && item.type === KeyType.chunkItem;
    const chunk = isChunk ? parseChunk(item.offset, item.data) : undefined;
    if (chunk === undefined || !contains(chunk, logical)) throw damaged(`no chunk holds the address ${logical}`);
    this.#keep(chunk);
    return mapChunk(chunk, logical - chunk.logical);
  }

  #keep(chunk: Chunk): void {
    if (this.#kept.length >= MAX_KEPT) this.#kept = [];
    const at = this.#before(chunk.logical);
    if (this.#kept[at]?.logical !== chunk.logical) this.#kept.splice(at + 1, 0, chunk);
  }

  /** The index of the last kept chunk that begins at or before the address. */
  #before(logical: number): number {
    let low = 0;
    let high = this.#kept.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#kept[middle]?.logical ?? 0) <= logical) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function contains({ logical: start, length }: Chunk, logical: number): boolean {
  return logical >= start && logical < start + length;
}

function parseSystemChunks(array: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 0; at < array.length;) {
    if (array.length - at < KEY_BYTES) throw damaged('the chunks of the system are cut off');
    const key = readKey(array, at);
    const bytes = array.subarray(at + KEY_BYTES);
    if (key.objectId !== ObjectId.firstChunk || key.type !== KeyType.chunkItem || key.offset < 0) {
      throw damaged('what should be a chunk of the system is none');
    }
    chunks.push(parseChunk(key.offset, bytes));
    at += KEY_BYTES + chunkItemBytes(bytes);
  }
  return chunks;
}

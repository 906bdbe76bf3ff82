import type { MetadataReader } from '../../blocks/block-cache.js';
import type { Copy } from './chunk.js';
import type { ChunkMap } from './chunk-map.js';
import type { Devices } from './devices.js';
import { nodeProblem, type NodeRules } from './node.js';
import { damaged, isFilesystemError } from './numbers.js';
import { RecentLeaves } from './recent-leaves.js';
import type { TreeRoot } from './superblock.js';

/** How many tree blocks are known to be whole, and where. */
const MAX_VERIFIED = 4096;

interface Verified {
  readonly reader: MetadataReader;
  readonly physical: number;
  readonly generation: number;
  readonly level: number;
}

/**
 * Reads tree blocks and verifies each when it is first met. Where a good copy stands is remembered; the bytes
 * themselves are kept by the cache that all file systems share, and what lies below never changes.
 */
export class NodeStore {
  readonly recentLeaves = new RecentLeaves();
  readonly #devices: Devices;
  readonly #chunks: ChunkMap;
  readonly #rules: NodeRules;
  readonly #nodeBytes: number;
  readonly #verified = new Map<number, Verified>();

  constructor(devices: Devices, chunks: ChunkMap, rules: NodeRules) {
    this.#devices = devices;
    this.#chunks = chunks;
    this.#rules = rules;
    this.#nodeBytes = devices.superblock.nodeBytes;
  }

  /**
   * The tree block that a pointer leads to; it must not be changed. At once if it is in memory.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when no copy of it is right
   */
  node(pointer: TreeRoot): Buffer | Promise<Buffer> {
    const known = this.#verified.get(pointer.logical);
    if (known?.generation === pointer.generation && known.level === pointer.level) {
      return known.reader.get(known.physical, this.#nodeBytes);
    }
    return this.#load(pointer);
  }

  async #load(pointer: TreeRoot): Promise<Buffer> {
    const { logical } = pointer;
    if (logical % this.#devices.superblock.sectorBytes !== 0) throw damaged(`there is no tree block at ${logical}`);
    const { length, copies } = await this.#chunks.map(logical);
    if (length < this.#nodeBytes) throw damaged(`the tree block at ${logical} does not lie in one piece`);
    let error: Error = this.#devices.missingError(logical);
    for (const copy of copies) {
      if (!this.#devices.has(copy)) {
        error = this.#devices.missingError(logical);
        continue;
      }
      try {
        return await this.#loadCopy(pointer, copy);
      } catch (caught) {
        if (!isFilesystemError(caught)) throw caught;
        error = caught;
      }
    }
    throw error;
  }

  async #loadCopy(pointer: TreeRoot, copy: Copy): Promise<Buffer> {
    const bytes = await this.#read(copy);
    const problem = nodeProblem(bytes, pointer, this.#rules);
    if (problem !== undefined) throw damaged(`the tree block at ${pointer.logical} ${problem}`);
    const [stripe, ...others] = copy;
    const device = stripe === undefined ? undefined : this.#devices.device(stripe);
    if (stripe !== undefined && device !== undefined && others.length === 0) {
      const { generation, level } = pointer;
      this.#remember(pointer.logical, { reader: device.reader, physical: stripe.physical, generation, level });
    }
    return bytes;
  }

  #remember(logical: number, verified: Verified): void {
    if (this.#verified.size >= MAX_VERIFIED) this.#verified.clear();
    this.#verified.set(logical, verified);
  }

  async #read(copy: Copy): Promise<Buffer> {
    let joined: Buffer | undefined;
    for (const stripe of copy) {
      const bytes = await this.#devices.device(stripe)?.reader.get(stripe.physical, this.#nodeBytes);
      if (bytes === undefined) throw this.#devices.missingError(stripe.physical);
      if (joined === undefined) joined = copy.length === 1 ? bytes : Buffer.from(bytes);
      else xorInto(joined, bytes);
    }
    if (joined === undefined) throw damaged('a chunk has no stripes');
    return joined;
  }
}

/** Combine `bytes` into `target`, as parity is made. */
export function xorInto(target: Uint8Array, bytes: Uint8Array): void {
  for (let at = 0; at < target.length; at++) target[at] = (target[at] ?? 0) ^ (bytes[at] ?? 0);
}

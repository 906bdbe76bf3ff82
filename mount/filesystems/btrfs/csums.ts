import { KeyType, ObjectId } from './layout.js';
import type { Item, ItemTree } from './item-tree.js';

/** The checksums of data, one for each sector that was written with one. */
export interface DataChecksums {
  /**
   * Those of `count` sectors from a logical address, one after another, into `target`.
   * @returns which sectors have one
   */
  read(target: Buffer, logical: number, count: number): Promise<boolean[]>;
}

/** The checksums in the checksum tree: an item has those of many sectors in a row. */
export class TreeChecksums implements DataChecksums {
  readonly #tree: ItemTree;
  readonly #sumBytes: number;
  readonly #sectorBytes: number;

  constructor(tree: ItemTree, sumBytes: number, sectorBytes: number) {
    this.#tree = tree;
    this.#sumBytes = sumBytes;
    this.#sectorBytes = sectorBytes;
  }

  async read(target: Buffer, logical: number, count: number): Promise<boolean[]> {
    const found = new Array<boolean>(count).fill(false);
    const [objectId, type] = [ObjectId.extentCsum, KeyType.extentCsum];
    const first = await this.#tree.floor({ objectId, type, offset: logical });
    if (first?.objectId === objectId && first.type === type) this.#take(first, target, logical, found);
    if (!found.includes(false)) return found;
    const last = logical + (count - 1) * this.#sectorBytes;
    const from = { objectId, type, offset: logical + 1 };
    for await (const items of this.#tree.batches(from, { objectId, type, offset: last })) {
      for (const item of items) this.#take(item, target, logical, found);
    }
    return found;
  }

  #take({ offset, data }: Item, target: Buffer, logical: number, found: boolean[]): void {
    const size = this.#sumBytes;
    const shift = (offset - logical) / this.#sectorBytes;
    if (!Number.isInteger(shift)) return;
    const end = Math.min(found.length, shift + Math.floor(data.length / size));
    for (let sector = Math.max(0, shift); sector < end; sector++) {
      data.copy(target, sector * size, (sector - shift) * size, (sector - shift + 1) * size);
      found[sector] = true;
    }
  }
}

/** Checksums of several trees: what an earlier one has counts. */
export class LayeredChecksums implements DataChecksums {
  readonly #layers: readonly DataChecksums[];
  readonly #sumBytes: number;

  constructor(layers: readonly DataChecksums[], sumBytes: number) {
    this.#layers = layers;
    this.#sumBytes = sumBytes;
  }

  async read(target: Buffer, logical: number, count: number): Promise<boolean[]> {
    const found = new Array<boolean>(count).fill(false);
    const sums = Buffer.alloc(target.length);
    for (const layer of this.#layers) {
      const here = await layer.read(sums, logical, count);
      for (const [sector, has] of here.entries()) {
        if (!has || found[sector] === true) continue;
        sums.copy(target, sector * this.#sumBytes, sector * this.#sumBytes, (sector + 1) * this.#sumBytes);
        found[sector] = true;
      }
      if (!found.includes(false)) break;
    }
    return found;
  }
}

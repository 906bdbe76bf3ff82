import type { MetadataReader } from '../../../blocks/block-cache.js';
import { damaged } from '../damaged.js';

/** The overlay replaces units of this size. */
export const SECTOR_BYTES = 512;
/** So many are kept in memory: 96 MiB. */
const MOST_SECTORS = 196_608;
/** Sectors are kept in slabs of this size: a buffer of its own for each would cost as much as it holds. */
const SLAB_BYTES = 64 * 1024;

/** The sectors that replaying has changed, over the volume as it is. */
export class SectorOverlay {
  readonly sectors = new Map<number, Uint8Array>();
  readonly #reader: MetadataReader;
  #slab = Buffer.alloc(0);

  constructor(reader: MetadataReader) {
    this.#reader = reader;
  }

  /**
   * A copy of `count` sectors.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when they do not all lie on the volume, STORE_DAMAGED
   */
  async read(sector: number, count: number): Promise<Buffer> {
    const base = this.#reader.get(sector * SECTOR_BYTES, count * SECTOR_BYTES);
    const bytes = Buffer.from(base instanceof Promise ? await base : base);
    for (let index = 0; index < count; index++) {
      const changed = this.sectors.get(sector + index);
      if (changed !== undefined) bytes.set(changed, index * SECTOR_BYTES);
    }
    return bytes;
  }

  /**
   * Replace a sector.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when there are too many
   */
  write(sector: number, bytes: Uint8Array): void {
    const known = this.sectors.get(sector);
    if (known !== undefined) known.set(bytes);
    else {
      if (this.sectors.size >= MOST_SECTORS) throw damaged('the log changes more than can be kept in memory');
      this.sectors.set(sector, this.#room(bytes));
    }
  }

  #room(bytes: Uint8Array): Uint8Array {
    if (this.#slab.length < SECTOR_BYTES) this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    const room = this.#slab.subarray(0, SECTOR_BYTES);
    this.#slab = this.#slab.subarray(SECTOR_BYTES);
    room.set(bytes);
    return room;
  }
}

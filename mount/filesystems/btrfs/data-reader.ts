import { lengthWithin, type Location, outside } from '../../blocks/byte-source.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { Copy, Stripe } from './chunk.js';
import type { ChunkMap } from './chunk-map.js';
import type { DataChecksums } from './csums.js';
import type { Devices } from './devices.js';
import { xorInto } from './node-store.js';
import { damaged } from './numbers.js';

/** Reads file contents at logical addresses, and verifies them; where a copy is bad, the next one is tried. */
export class DataReader {
  readonly #devices: Devices;
  readonly #chunks: ChunkMap;
  readonly #checksums: DataChecksums;
  readonly #sectorBytes: number;

  constructor(devices: Devices, chunks: ChunkMap, checksums: DataChecksums) {
    this.#devices = devices;
    this.#chunks = chunks;
    this.#checksums = checksums;
    this.#sectorBytes = devices.superblock.sectorBytes;
  }

  /**
   * Fill `target` with the bytes from a logical address. What is whole sectors is read in one piece; only the part of
   * a sector at either end is read beside.
   * @throws {UmbraError} FILESYSTEM_DAMAGED when no copy has the right checksum
   */
  async read(target: Uint8Array, logical: number, hasChecksums: boolean): Promise<void> {
    const sector = this.#sectorBytes;
    const end = logical + target.length;
    for (let at = logical; at < end;) {
      const isWhole = at % sector === 0 && end - at >= sector;
      const start = at - (at % sector);
      const stop = isWhole ? end - (end % sector) : Math.min(end, start + sector);
      const part = target.subarray(at - logical, stop - logical);
      if (isWhole) await this.#readSectors(part, at, hasChecksums);
      else {
        const whole = Buffer.allocUnsafe(sector);
        await this.#readSectors(whole, start, hasChecksums);
        part.set(whole.subarray(at - start, stop - start));
      }
      at = stop;
    }
  }

  /** Where bytes stand: of each stretch the first copy that is there. */
  async locate(logical: number, length: number): Promise<Location[]> {
    const locations: Location[] = [];
    for (let done = 0; done < length;) {
      const mapping = await this.#chunks.map(logical + done);
      const part = Math.min(length - done, mapping.length);
      locations.push(...this.#locateCopy(mapping.copies, part));
      done += part;
    }
    return locations;
  }

  #locateCopy(copies: readonly Copy[], length: number): readonly Location[] {
    const [stripe] = copies.find((copy) => copy.length === 1 && this.#devices.has(copy)) ?? [];
    const device = stripe === undefined ? undefined : this.#devices.device(stripe);
    if (stripe === undefined || device === undefined) return [{ length, offset: 0 }];
    if (lengthWithin(device.source.sizeBytes, length, stripe.physical) < length) return [{ length, offset: 0 }];
    return device.source.locate(stripe.physical, length);
  }

  async #readSectors(target: Uint8Array, logical: number, hasChecksums: boolean): Promise<void> {
    for (let done = 0; done < target.length;) {
      const mapping = await this.#chunks.map(logical + done);
      const part = target.subarray(done, done + mapping.length);
      await this.#readPiece(part, logical + done, mapping.copies, hasChecksums);
      done += part.length;
    }
  }

  async #readPiece(target: Uint8Array, logical: number, copies: readonly Copy[], verify: boolean): Promise<void> {
    const present = copies.filter((copy) => this.#devices.has(copy));
    if (present.length === 0) throw this.#devices.missingError(logical);
    if (!verify) {
      await this.#readAny(target, present);
      return;
    }
    const { checksum } = this.#devices.superblock;
    const sums = Buffer.alloc((target.length / this.#sectorBytes) * checksum.sizeBytes);
    const known = await this.#checksums.read(sums, logical, target.length / this.#sectorBytes);
    const isRight = (sector: number): boolean => {
      const bytes = this.#sector(target, sector);
      return known[sector] === true && checksum.matches(bytes, sums, sector * checksum.sizeBytes);
    };
    let bad = known.map((_, sector) => sector);
    for (const [index, copy] of present.entries()) {
      const read = index === 0 ? await this.#tryCopy(target, copy, 0) : true;
      if (index > 0) for (const sector of bad) await this.#trySector(target, copy, sector);
      if (read) bad = bad.filter((sector) => !isRight(sector));
      if (bad.length === 0) return;
    }
    throw damaged(`the data at ${logical + (bad[0] ?? 0) * this.#sectorBytes} has a wrong checksum, or none`);
  }

  #sector(target: Uint8Array, sector: number): Uint8Array {
    return target.subarray(sector * this.#sectorBytes, (sector + 1) * this.#sectorBytes);
  }

  async #trySector(target: Uint8Array, copy: Copy, sector: number): Promise<boolean> {
    return this.#tryCopy(this.#sector(target, sector), copy, sector * this.#sectorBytes);
  }

  /** @returns false if the copy cannot be read */
  async #tryCopy(target: Uint8Array, copy: Copy, skip: number): Promise<boolean> {
    try {
      await this.#readCopy(target, copy, skip);
      return true;
    } catch (error) {
      if (error instanceof UmbraError) return false;
      throw error;
    }
  }

  /** The first copy that can be read, where nothing says which is right. */
  async #readAny(target: Uint8Array, copies: readonly Copy[]): Promise<void> {
    for (const [index, copy] of copies.entries()) {
      if (index === copies.length - 1) await this.#readCopy(target, copy, 0);
      else if (await this.#tryCopy(target, copy, 0)) return;
    }
  }

  async #readCopy(target: Uint8Array, copy: Copy, skip: number): Promise<void> {
    const [first, ...others] = copy;
    if (first !== undefined) await this.#readStripe(target, first, skip);
    if (others.length === 0) return;
    const bytes = Buffer.allocUnsafe(target.length);
    for (const stripe of others) {
      await this.#readStripe(bytes, stripe, skip);
      xorInto(target, bytes);
    }
  }

  async #readStripe(target: Uint8Array, stripe: Stripe, skip: number): Promise<void> {
    const source = this.#devices.device(stripe)?.source;
    if (source === undefined) throw this.#devices.missingError(stripe.physical);
    const at = stripe.physical + skip;
    if (lengthWithin(source.sizeBytes, target.length, at) < target.length) throw outside(source, at, target.length);
    const read = await source.read(target, at);
    if (read < target.length) throw outside(source, at, target.length);
  }
}

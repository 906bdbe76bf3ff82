import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { ByteSource } from '../../../mount/blocks/byte-source.js';
import { UmbraError } from '../../../src/common/errors.js';
import { temporaryDirectory } from '../temporary.js';
import { type FatImageOptions, makeFatImage } from './fat-images.js';
import { memorySource } from './sources.js';

/** The bytes of a new file system. */
export function fatBytes(t: Test, options: FatImageOptions): Buffer {
  const image = join(temporaryDirectory(t), 'image');
  makeFatImage(image, options);
  return readFileSync(image);
}

/** A directory entry with a short name. */
export interface ShortEntry {
  /** Eleven bytes, in Latin-1. */
  readonly raw: string;
  readonly attributes?: number;
  readonly ntFlags?: number;
  readonly cluster?: number;
  readonly sizeBytes?: number;
}

/** The 32 bytes of an entry. */
export function shortEntry({ raw, attributes = 0x20, ntFlags = 0, cluster = 0, sizeBytes = 0 }: ShortEntry): Buffer {
  const slot = Buffer.alloc(32);
  slot.write(raw, 0, 11, 'latin1');
  slot[11] = attributes;
  slot[12] = ntFlags;
  slot.writeUInt16LE(cluster >>> 16, 20);
  slot.writeUInt16LE(cluster & 0xffff, 26);
  slot.writeUInt32LE(sizeBytes, 28);
  return slot;
}

/** The slots of a long name for the entry with the short name `raw`. */
export function longSlots(name: string, raw: string): Buffer {
  const units = [...Buffer.from(`${name}\0`, 'utf16le')];
  if (name.length % 13 === 0) units.length -= 2;
  while (units.length % 26 !== 0) units.push(0xff);
  const count = units.length / 26;
  const checksum = [...Buffer.from(raw, 'latin1')].reduce(
    (sum, byte) => (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff,
    0,
  );
  const slots = Array.from({ length: count }, (_, index) => {
    const number = count - index;
    const part = Buffer.from(units.slice((number - 1) * 26, number * 26));
    const slot = Buffer.alloc(32);
    slot[0] = index === 0 ? number | 0x40 : number;
    slot[11] = 0x0f;
    slot[13] = checksum;
    part.copy(slot, 1, 0, 10);
    part.copy(slot, 14, 10, 22);
    part.copy(slot, 28, 22, 26);
    return slot;
  });
  return Buffer.concat(slots);
}

/** A source that cannot be read in some places: chunks of the store that are damaged. */
export function damagedSource(
  bytes: Uint8Array,
  ranges: readonly { readonly offset: number; readonly length: number }[],
): ByteSource {
  const source = memorySource(bytes);
  return {
    ...source,
    read(target, offset) {
      const isHit = ranges.some(
        (range) => offset < range.offset + range.length && offset + target.length > range.offset,
      );
      if (isHit) throw new UmbraError('STORE_DAMAGED', 'a chunk is damaged');
      return source.read(target, offset);
    },
  };
}

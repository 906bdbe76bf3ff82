import { readFileSync } from 'node:fs';
import { stampChecksum } from '../../../mount/filesystems/xfs/checksum.js';
import { xfsDriver } from '../../../mount/filesystems/xfs/driver.js';
import { SUPERBLOCK_MAGIC } from '../../../mount/filesystems/xfs/superblock.js';
import { Random } from '../random.js';
import { exercise, type Patch, patchedSource, randomPatches } from './fuzz.js';
import { openXfs } from './xfs-image.js';

interface Region {
  readonly offset: number;
  readonly length: number;
  /** Of structures of this size the checksum is made right again. */
  readonly crc?: number;
}

/** Where the checksum of a structure is, by its first word or, of trees, by the word at 8. */
const BY_WORD: Readonly<Record<string, number>> = {
  ...{ XDB3: 4, XDD3: 4, XDF3: 4, BMA3: 64, XSLM: 12, XARM: 12, XAGF: 216, XAGI: 312 },
};
const BY_TREE_WORD: ReadonlySet<number> = new Set([0x3df1, 0x3dff, 0x3ebe, 0x3bee]);

/** All metadata of an image of version 5 with blocks of 4 KiB, and its log. */
export function xfsRegions(bytes: Buffer): Region[] {
  const regions: Region[] = [{ offset: 0, length: 512, crc: 224 }];
  for (let offset = 0; offset < bytes.length; offset += 4096) {
    const block = bytes.subarray(offset, offset + 4096);
    const crc = BY_WORD[block.toString('latin1', 0, 4)];
    if (block.readUInt16BE(0) === 0x494e) {
      for (let at = 0; at < 4096; at += 512) {
        if (block.readUInt16BE(at + 2) !== 0) regions.push({ offset: offset + at, length: 512, crc: 100 });
      }
    } else if (block.readUInt32BE(0) === SUPERBLOCK_MAGIC && offset > 0)
      regions.push({ offset, length: 512, crc: 224 });
    else if (block.readUInt32BE(0) === 0xfeedbabe) regions.push({ offset, length: 4096 });
    else if (crc !== undefined && offset > 0) regions.push({ offset, length: 4096, crc });
    else if (BY_TREE_WORD.has(block.readUInt16BE(8))) regions.push({ offset, length: 4096, crc: 12 });
  }
  return regions;
}

/** Most changes get past the checksums: they are made right again, as a hostile guest would. */
function mutate(random: Random, bytes: Buffer, regions: readonly Region[]): Patch[] {
  const region = regions[random.below(regions.length)] ?? { offset: 0, length: 512 };
  const patches = randomPatches(random, bytes, random.chance(0.7) ? [region] : regions);
  if (region.crc === undefined || random.chance(0.1)) return patches;
  const whole = Buffer.alloc(region.length);
  void patchedSource(bytes, patches).read(whole, region.offset);
  stampChecksum(whole, region.crc);
  return [...patches, { offset: region.offset, bytes: whole }];
}

/**
 * Open and walk mutants of an image.
 * @returns what the reader did wrong, with the number of the mutant
 */
export async function fuzzXfs(image: string, count: number, seed: number): Promise<string[]> {
  const bytes = readFileSync(image);
  const regions = xfsRegions(bytes);
  const wrong: string[] = [];
  for (let index = 0; index < count; index++) {
    const patches = mutate(new Random(seed + index), bytes, regions);
    const found = await exercise(patchedSource(bytes, patches), async (source) => {
      await xfsDriver.matchesCopy?.(source);
      return await openXfs(source, 4 * 1024 * 1024);
    });
    wrong.push(...found.map((what) => `mutant ${seed + index}: ${what}`));
  }
  return wrong;
}

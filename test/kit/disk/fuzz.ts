import { discover } from '../../../mount/disk/discover.js';
import { describe } from '../../../mount/disk/recognise/recognise.js';
import { unreadableText } from '../../../mount/disk/recognise/unreadable-text.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { Random } from '../random.js';
import { patchedSource, randomPatches } from '../filesystems/fuzz.js';
import { strictSource } from '../filesystems/sources.js';

/** Images of the volumes of a machine, and where their metadata stand. */
export interface FuzzBase {
  readonly images: readonly Buffer[];
  /** Of each image. */
  readonly regions: readonly { readonly offset: number; readonly length: number }[];
  /** Make checksums right again that a change broke. */
  readonly mend?: (image: Buffer) => void;
}

const PIECE_BYTES = 65_536;

/**
 * Change images at random and look at all that is found in them.
 * @returns what was wrong with the readers; empty if they stood the test
 */
export async function fuzzDisks(random: Random, bases: readonly FuzzBase[], count: number): Promise<string[]> {
  const wrong: string[] = [];
  for (let turn = 0; turn < count && wrong.length < 20; turn++) {
    const base = bases[turn % bases.length];
    if (base === undefined) break;
    const seed = random.below(2 ** 32);
    await exerciseDisks(mutant(random, base), (what) => wrong.push(`turn ${turn}, ${seed}: ${what}`));
  }
  return wrong;
}

function mutant(random: Random, { images, regions, mend }: FuzzBase): Buffer[] {
  const hit = random.below(images.length);
  return images.map((image, index) => {
    if (index !== hit && random.chance(0.7)) return image;
    const changed = Buffer.from(image);
    for (const { offset, bytes } of randomPatches(random, image, regions)) {
      changed.set(bytes.subarray(0, Math.max(0, changed.length - offset)), offset);
    }
    if (random.chance(0.8)) mend?.(changed);
    return changed;
  });
}

async function exerciseDisks(images: readonly Buffer[], wrong: (what: string) => void): Promise<void> {
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (error instanceof UmbraError && error.code.startsWith('FILESYSTEM_')) return;
      wrong(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  };
  await attempt('discover', async () => {
    const volumes = images.map((image, index) => ({
      name: `vd${String.fromCharCode(97 + index)}`,
      source: strictSource(patchedSource(image, []), wrong),
    }));
    const devices = await discover(volumes);
    if (new Set(devices.map(({ name }) => name)).size < devices.length) wrong('names are not unique');
    for (const device of devices.slice(0, 40)) {
      if (!/^[A-Za-z0-9_+][A-Za-z0-9._+-]*$/.test(device.name)) wrong(`the name ${device.name}`);
      await attempt(device.name, async () => {
        unreadableText(device, await describe(device));
        for (const offset of [0, Math.floor(device.source.sizeBytes / 3), device.source.sizeBytes - PIECE_BYTES]) {
          if (offset < 0) continue;
          const read = await device.source.read(Buffer.alloc(PIECE_BYTES), offset);
          const length = Math.min(PIECE_BYTES, device.source.sizeBytes - offset);
          const located = device.source.locate(offset, length).reduce((sum, part) => sum + part.length, 0);
          if (read !== length || located !== length)
            wrong(`${device.name}: ${read} read, ${located} located of ${length}`);
        }
      });
    }
  });
}

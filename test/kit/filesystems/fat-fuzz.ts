import type { Test } from 'tap';
import { BlockCache } from '../../../mount/blocks/block-cache.js';
import type { Filesystem, FilesystemDriver } from '../../../mount/filesystems/filesystem.js';
import type { Random } from '../random.js';
import { exercise, patchedSource, randomPatches } from './fuzz.js';

/** A clean image and where its metadata stands: boot sectors, tables, directories. */
export interface FuzzSubject {
  readonly name: string;
  readonly driver: FilesystemDriver;
  readonly image: Uint8Array;
  readonly regions: readonly { readonly offset: number; readonly length: number }[];
}

/** Open and read `count` mutants of each image: one assertion for all, with the first that failed. */
export async function fuzzClusters(
  t: Test,
  random: Random,
  subjects: readonly FuzzSubject[],
  count: number,
): Promise<void> {
  for (const { name, driver, image, regions } of subjects) {
    const failures: string[] = [];
    for (let mutant = 0; mutant < count && failures.length === 0; mutant++) {
      const patches = randomPatches(random, image, regions);
      const open = async (source: Parameters<FilesystemDriver['matches']>[0]): Promise<Filesystem | undefined> =>
        (await driver.matches(source)) || (await driver.matchesCopy?.(source)) === true
          ? await driver.open({ source, cache: new BlockCache(1024 * 1024) })
          : undefined;
      const wrong = await exercise(patchedSource(image, patches), open);
      if (wrong.length > 0) {
        const where = patches.map(({ offset, bytes }) => `${offset}:${Buffer.from(bytes).toString('hex')}`);
        failures.push(`mutant ${mutant} (${where.join(' ')}): ${wrong.slice(0, 3).join('; ')}`);
      }
    }
    t.same(failures, [], `${count} mutants of ${name}`);
  }
}

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { BlockCache } from '../../../mount/blocks/block-cache.js';
import { extDriver } from '../../../mount/filesystems/ext/ext.js';
import type { Random } from '../random.js';
import { dirtyExtImage, type ExtHistory } from './ext-history.js';
import { type ExtImage, fillTree, filledExtImage } from './ext-images.js';
import { exercise, type Patch, patchedSource, randomPatches } from './fuzz.js';

/** Images of different formats, small enough to be looked at whole; without checksums most changes get far. */
const CLEAN: readonly ExtImage[] = [
  { name: 'fuzz-ext2', options: ['-t', 'ext2', '-b', '1024', '-I', '128', '-N', '512'], sizeMib: 80 },
  {
    name: 'fuzz-ext4',
    options: ['-t', 'ext4', '-b', '1024', '-I', '512', '-N', '512', '-O', 'inline_data,^metadata_csum,^has_journal'],
    sizeMib: 80,
  },
];

const DIRTY: readonly ExtHistory[] = [
  {
    name: 'fuzz-journal',
    options: ['-t', 'ext4', '-b', '1024', '-N', '512', '-J', 'size=1', '-O', '^metadata_csum,^64bit'],
    sizeMib: 16,
    operations: 60,
  },
  {
    name: 'fuzz-fast',
    options: ['-t', 'ext4', '-b', '1024', '-N', '512', '-J', 'size=8', '-O', 'fast_commit,^metadata_csum'],
    sizeMib: 64,
    operations: 30,
    fastOperations: 40,
  },
];

/** An image to be changed, and where its metadata stand. */
export interface FuzzTarget {
  readonly name: string;
  readonly image: Buffer;
  readonly regions: readonly { readonly offset: number; readonly length: number }[];
}

/** The images that are fuzzed. */
export function extFuzzTargets(t: Test, directory: string): FuzzTarget[] {
  const clean = CLEAN.map((image) => ({
    name: image.name,
    path: filledExtImage(t, directory, image, (root) => {
      fillTree(root, 60);
    }),
  }));
  const dirty = DIRTY.flatMap((history) =>
    dirtyExtImage(t, directory, history, 1).map((path) => ({ name: history.name, path })),
  );
  return [...clean, ...dirty].map(({ name, path }) => {
    const image = readFileSync(path);
    return { name, image, regions: metadataRegions(path, image) };
  });
}

/** The superblock, the descriptors, and all blocks that debugfs finds in use by directories, attributes and the journal. */
function metadataRegions(path: string, image: Buffer): { offset: number; length: number }[] {
  const blockBytes = 1024 << image.readUInt32LE(1024 + 24);
  const regions = [{ offset: 1024, length: 1024 }];
  const used = execFileSync('dumpe2fs', [path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  for (const match of used.matchAll(/Inode table at (\d+)-/g)) {
    regions.push({ offset: Number(match[1]) * blockBytes, length: 128 * image.readUInt16LE(1024 + 88) });
  }
  for (let at = 0; at + blockBytes <= image.length; at += blockBytes) {
    if (looksLikeMetadata(image, at)) regions.push({ offset: at, length: blockBytes });
  }
  return regions;
}

/** Extent nodes, blocks of attributes, of directories, and of the journal. */
function looksLikeMetadata(image: Buffer, at: number): boolean {
  const isDirectory = image.readUInt16LE(at + 4) === 12 && image.readUInt8(at + 6) === 1;
  const isJournal = image.readUInt32BE(at) === 0xc03b3998;
  const isFast = image.readUInt32LE(at) === 0x00080009 || image.readUInt16LE(at + 2) === 164;
  return (
    isDirectory || isJournal || isFast || image.readUInt16LE(at) === 0xf30a || image.readUInt32LE(at) === 0xea020000
  );
}

/** Change the targets `count` times in all, and look at each. @returns what was wrong with the reader */
export async function fuzzExt(targets: readonly FuzzTarget[], random: Random, count: number): Promise<string[]> {
  const wrong: string[] = [];
  for (let round = 0; round < count; round++) {
    const target = targets[round % targets.length];
    if (target === undefined) break;
    const patches = randomPatches(random, target.image, target.regions);
    const found = await exercise(patchedSource(target.image, patches), (source) =>
      extDriver.open({ source, cache: new BlockCache(4 * 1024 * 1024) }),
    );
    wrong.push(...found.map((what) => `${target.name} ${describe(patches)}: ${what}`));
    if (wrong.length > 5) break;
  }
  return wrong;
}

function describe(patches: readonly Patch[]): string {
  return patches.map(({ offset, bytes }) => `${offset}=${Buffer.from(bytes).toString('hex')}`).join(' ');
}

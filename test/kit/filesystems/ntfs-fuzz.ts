import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { BlockCache } from '../../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../../mount/blocks/byte-source.js';
import type { Filesystem } from '../../../mount/filesystems/filesystem.js';
import { ntfsDriver } from '../../../mount/filesystems/ntfs/driver.js';
import { setXattr } from '../../../src/system/xattrs.js';
import { Random } from '../random.js';
import { temporaryDirectory } from '../temporary.js';
import { exercise, patchedSource, randomPatches } from './fuzz.js';
import { makeNtfs, mountNtfs3g } from './ntfs-image.js';
import { fillNames } from './ntfs-tree.js';
import {
  extendedAttributes,
  junctionPoint,
  number32,
  reparsePoint,
  securityDescriptor,
  symlinkPoint,
} from './ntfs-values.js';
import { compressWithWimlib } from './wim.js';

const CACHE_BYTES = 1024 * 1024;

/** A small volume with a bit of everything. */
export function fuzzImage(t: Test): Buffer {
  const directory = temporaryDirectory(t);
  const image = join(directory, 'ntfs.img');
  makeNtfs(image, { sizeMib: 8 });
  const mounted = mountNtfs3g(t, image, ['compression', 'streams_interface=windows']);
  fill(directory, mounted.directory, new Random(1));
  mounted.unmount();
  return readFileSync(image);
}

function fill(temporary: string, directory: string, random: Random): void {
  const at = (...names: string[]): string => join(directory, ...names);
  fillNames(
    directory,
    'names',
    Array.from({ length: 70 }, (_, index) => `a name of some length ${index}`),
  );
  mkdirSync(at('packed'));
  setXattr(at('packed'), 'system.ntfs_attrib_be', Buffer.of(0, 0, 8, 0));
  for (let index = 0; index < 2; index++) {
    const content = Buffer.concat([Buffer.alloc(90_000, `text ${index}`), random.bytes(40_000)]);
    writeFileSync(at('packed', `${index}`), content);
  }
  const text = Buffer.from(Array.from({ length: 1500 }, (_, line) => `${line} is a line\n`).join(''));
  for (const [number, type, chunkBytes] of [
    [0, 'XPRESS', 4096],
    [1, 'LZX', 32_768],
  ] as const) {
    writeFileSync(at(`wof${number}`), text);
    writeFileSync(
      at(`wof${number}:WofCompressedData`),
      compressWithWimlib(join(temporary, type), text, { type, chunkBytes }),
    );
    setXattr(
      at(`wof${number}`),
      'system.ntfs_reparse_data',
      reparsePoint(0x80000017, Buffer.concat([1, 2, 1, number].map(number32))),
    );
  }
  symlinkSync('names/there', at('link'));
  writeFileSync(at('symlink'), '');
  setXattr(at('symlink'), 'system.ntfs_reparse_data', symlinkPoint('..\\names\\A NAME OF SOME LENGTH 3', true));
  mkdirSync(at('names', 'junction'));
  setXattr(at('names', 'junction'), 'system.ntfs_reparse_data', junctionPoint('\\??\\C:\\names'));
  writeFileSync(at('file'), random.bytes(100_000));
  setXattr(at('file'), 'system.ntfs_ea', extendedAttributes({ $LXUID: number32(5), 'user.a': Buffer.from('b') }));
  for (let index = 0; index < 20; index++) writeFileSync(at(`file:stream ${index}`), random.bytes(300));
  for (let index = 0; index < 40; index++)
    setXattr(at('names', `a name of some length ${index}`), 'system.ntfs_acl', securityDescriptor(index));
}

/** Where the metadata of a volume stands: each file record, index block and so on by itself, and the first sectors. */
export function metadataRegions(image: Buffer): { offset: number; length: number }[] {
  const regions = [{ offset: 0, length: 512 }];
  for (let offset = 0; offset + 1024 <= image.length; offset += 512) {
    const magic = image.toString('latin1', offset, offset + 4);
    if (magic === 'FILE' && image.readUInt16LE(offset + 22) !== 0) regions.push({ offset, length: 480 });
    if (magic === 'INDX') regions.push({ offset, length: 4096 });
    if (magic === 'RSTR') regions.push({ offset, length: 128 });
  }
  return regions;
}

/**
 * Open and look at all of `count` damaged copies of a volume.
 * @returns what was wrong with the reader, with the number of the copy
 */
export async function fuzzNtfs(image: Buffer, seed: number, count: number): Promise<string[]> {
  const regions = metadataRegions(image);
  const data = { offset: 0, length: image.length };
  const wrong: string[] = [];
  for (let copy = 0; copy < count; copy++) {
    const random = new Random(seed + copy);
    const source = patchedSource(image, randomPatches(random, image, random.chance(0.9) ? regions : [data]));
    for (const what of await exercise(source, openAnything)) wrong.push(`seed ${seed + copy}: ${what}`);
  }
  return wrong;
}

async function openAnything(source: ByteSource): Promise<Filesystem | undefined> {
  if (!(await ntfsDriver.matches(source)) && (await ntfsDriver.matchesCopy?.(source)) !== true) return undefined;
  return await ntfsDriver.open({ source, cache: new BlockCache(CACHE_BYTES) });
}

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { exfatDriver } from '../../../mount/filesystems/exfat/exfat-driver.js';
import { fatDriver } from '../../../mount/filesystems/fat/fat-driver.js';
import { temporaryDirectory } from '../temporary.js';
import { exfatMount, makeExfatImage } from './exfat-images.js';
import type { FuzzSubject } from './fat-fuzz.js';
import { copyOntoFat, type FatImageOptions, LONG_NAMES, makeFatImage, SHORT_NAMES } from './fat-images.js';

const MIB = 1024 * 1024;

const FAT_IMAGES: readonly FatImageOptions[] = [
  { kind: 12, sizeBytes: MIB, clusterSectors: 1 },
  { kind: 16, sizeBytes: 5 * MIB, clusterSectors: 1 },
  { kind: 32, sizeBytes: 34 * MIB, clusterSectors: 1 },
];

/** A few names, files of several clusters, and directories in directories. */
function smallTree(directory: string): string[] {
  mkdirSync(join(directory, 'top', 'one', 'two'), { recursive: true });
  for (const name of [...LONG_NAMES, ...SHORT_NAMES]) writeFileSync(join(directory, 'top', name), name.repeat(50));
  for (let index = 0; index < 20; index++) writeFileSync(join(directory, 'top', 'one', `file ${index}`), String(index));
  writeFileSync(join(directory, 'top', 'one', 'two', 'large'), Buffer.alloc(20_000, 'x'));
  return ['top'];
}

/** Images of every kind of FAT, for {@link fuzzClusters}. */
export function fatSubjects(t: Test): FuzzSubject[] {
  return FAT_IMAGES.map((options) => {
    const directory = temporaryDirectory(t);
    const image = join(directory, 'image');
    makeFatImage(image, options);
    copyOntoFat(image, directory, smallTree(directory));
    const bytes = readFileSync(image);
    const reserved = bytes.readUInt16LE(14) * 512;
    const fatBytes = (bytes.readUInt16LE(22) || bytes.readUInt32LE(36)) * 512;
    const heap = reserved + 2 * fatBytes;
    const regions = [
      { offset: 0, length: 96 },
      { offset: reserved, length: 256 },
      { offset: reserved + fatBytes, length: 256 },
      { offset: heap, length: 64 * 1024 },
    ];
    return { name: `FAT${options.kind}`, driver: fatDriver, image: bytes, regions };
  });
}

/** An image of exFAT. Needs root. */
export function exfatSubject(t: Test): FuzzSubject {
  const image = join(temporaryDirectory(t), 'image');
  makeExfatImage(image, { sizeBytes: 5 * MIB, clusterBytes: 512 });
  const mount = exfatMount(t, image);
  smallTree(mount.directory);
  mount.unmount();
  const bytes = readFileSync(image);
  const fat = bytes.readUInt32LE(80) * 512;
  const heap = bytes.readUInt32LE(88) * 512;
  const root = heap + (bytes.readUInt32LE(96) - 2) * 512;
  const regions = [
    { offset: 64, length: 64 },
    { offset: 12 * 512 + 64, length: 64 },
    { offset: fat, length: 512 },
    { offset: root, length: 512 },
    { offset: heap, length: 96 * 1024 },
  ];
  return { name: 'exFAT', driver: exfatDriver, image: bytes, regions };
}

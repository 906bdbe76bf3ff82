import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { doWork, prepareForWork } from './days-work.js';
import { makeDebianRoots, type Roots } from './debian-roots.js';
import { copyHead, dataBytes, differingBytes } from './images.js';
import { log } from './log.js';
import { run } from './process.js';
import { SeededRandom } from './random.js';
import type { Scale } from './scale.js';
import { unmountAll } from './system.js';
import { makeUsrRoots } from './usr-roots.js';

export const INPUT_NAMES = ['a', 'a2', 'b', 'many'] as const;
export type InputName = (typeof INPUT_NAMES)[number];

/** The disk images that are backed up; they are never changed. */
export interface Input {
  /** Paths of the images. */
  readonly images: Readonly<Record<InputName, string>>;
  /** Bytes in each that are not in all-zero blocks. */
  readonly dataBytes: Readonly<Record<InputName, number>>;
  readonly imageBytes: number;
  /** Bytes of blocks that differ between A and A2. */
  readonly changedBytes: number;
}

/** Counts changes of what the images hold: an older cache is built anew. */
const RECIPE = 1;

/** The input of this scale and seed from the cache, built first if it is not there. */
export async function provideInput(cache: string, scale: Scale, seed: number, signal: AbortSignal): Promise<Input> {
  const dir = path.join(cache, `${scale.name}-${RECIPE}-seed-${seed}`);
  if (!existsSync(dir)) {
    const building = `${dir}.building-${process.pid}`;
    try {
      mkdirSync(building, { recursive: true });
      await build(building, scale, seed, signal);
      renameSync(building, dir);
    } finally {
      await unmountAll(building);
      rmSync(building, { recursive: true, force: true });
    }
  }
  const sizes = JSON.parse(readFileSync(path.join(dir, 'sizes.json'), 'utf8')) as Omit<Input, 'images'>;
  return { images: imagePaths(dir), ...sizes };
}

function imagePaths(dir: string): Record<InputName, string> {
  const image = (name: InputName): string => path.join(dir, `${name}.img`);
  return { a: image('a'), a2: image('a2'), b: image('b'), many: image('many') };
}

async function build(dir: string, scale: Scale, seed: number, signal: AbortSignal): Promise<void> {
  log(`building the input below ${dir}: this is done once`);
  const random = new SeededRandom(seed);
  const images = imagePaths(dir);
  const rootsDir = path.join(dir, 'roots');
  mkdirSync(rootsDir);
  const roots = await (scale.name === 'full' ? makeDebianRoots(rootsDir, signal) : makeUsrRoots(rootsDir, random));
  prepareForWork(roots.a, scale, random);
  await makeImage(images.a, roots.a, scale);
  await makeImage(images.b, roots.b, scale);
  await makeDayLater(images, roots, scale, random, path.join(dir, 'mounted'));
  copyHead(images.a, images.many, scale.manyImageBytes);
  rmSync(rootsDir, { recursive: true });
  writeFileSync(path.join(dir, 'sizes.json'), JSON.stringify(sizesOf(images, scale), null, 2) + '\n');
}

async function makeImage(file: string, root: string, scale: Scale): Promise<void> {
  log(`making ${path.basename(file)}`);
  const fd = openSync(file, 'wx');
  ftruncateSync(fd, scale.imageBytes);
  closeSync(fd);
  await run('nice', ['mke2fs', '-q', '-F', '-t', 'ext4', '-L', 'root', '-d', root, file]);
}

/** A2 is A after work that the kernel did in it, so that changes lie where a filesystem puts them. */
async function makeDayLater(
  images: Readonly<Record<InputName, string>>,
  roots: Roots,
  scale: Scale,
  random: SeededRandom,
  mountPoint: string,
): Promise<void> {
  log("doing a day's work in a2.img");
  await run('cp', ['--sparse=always', images.a, images.a2]);
  mkdirSync(mountPoint);
  await run('mount', ['-o', 'loop', images.a2, mountPoint]);
  try {
    await doWork(mountPoint, roots.additions, scale, random);
  } finally {
    await unmountAll(mountPoint);
    rmdirSync(mountPoint);
  }
}

function sizesOf(images: Readonly<Record<InputName, string>>, scale: Scale): Omit<Input, 'images'> {
  const { a, a2, b, many } = images;
  return {
    imageBytes: scale.imageBytes,
    dataBytes: { a: dataBytes(a), a2: dataBytes(a2), b: dataBytes(b), many: dataBytes(many) },
    changedBytes: differingBytes(a, a2),
  };
}

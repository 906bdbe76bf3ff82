import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { SeededRandom } from '../random.js';

/** How many files there are of each kind. */
export interface FilesScale {
  readonly name: 'full' | 'small';
  /** Files of a few bytes, for `find` and `stat`. */
  readonly manyFiles: number;
  /** Files of up to 8 KiB, for `tar`. */
  readonly smallFiles: number;
  /** One large file, for reading in order and at random. */
  readonly bigBytes: number;
  /** Files as small as those, for the comparison with guestmount. */
  readonly guestFiles: number;
  readonly randomReads: number;
  readonly imageBytes: number;
}

const MIB = 1024 * 1024;

export const FILES_SCALES: Readonly<Record<FilesScale['name'], FilesScale>> = {
  full: {
    name: 'full',
    manyFiles: 100_000,
    smallFiles: 20_000,
    bigBytes: 1024 * MIB,
    guestFiles: 2000,
    randomReads: 4000,
    imageBytes: 3072 * MIB,
  },
  small: {
    name: 'small',
    manyFiles: 10_000,
    smallFiles: 2000,
    bigBytes: 64 * MIB,
    guestFiles: 2000,
    randomReads: 500,
    imageBytes: 512 * MIB,
  },
};

/** The directories and files in every image. */
export const CONTENT = { many: 'many', small: 'small', guest: 'guest', big: 'big.bin' } as const;

const PER_DIRECTORY = 1000;
const PIECE_BYTES = MIB;

/** Makes the files of `scale` in the empty directory `dir`; the large one first, so that it lies in one piece. */
export function makeContent(dir: string, scale: FilesScale, seed: number): void {
  const random = new SeededRandom(seed);
  writeBig(path.join(dir, CONTENT.big), scale.bigBytes, random);
  writeMany(path.join(dir, CONTENT.small), scale.smallFiles, () => text(random, 64 + random.below(8000)));
  writeMany(path.join(dir, CONTENT.guest), scale.guestFiles, () => text(random, 64 + random.below(4000)));
  writeMany(path.join(dir, CONTENT.many), scale.manyFiles, () => String(random.next()));
}

function writeBig(file: string, length: number, random: SeededRandom): void {
  const fd = openSync(file, 'wx');
  try {
    for (let at = 0; at < length; at += PIECE_BYTES) {
      // Half of it compresses, as half of most disks does.
      const half = random.bytes(PIECE_BYTES / 2);
      const rest = Buffer.alloc(PIECE_BYTES / 2, text(random, 4096));
      writeSync(fd, Buffer.concat([half, rest]), 0, Math.min(PIECE_BYTES, length - at), at);
    }
  } finally {
    closeSync(fd);
  }
}

function writeMany(dir: string, count: number, content: () => string): void {
  for (let index = 0; index < count; index += 1) {
    const parent = path.join(dir, `d${Math.floor(index / PER_DIRECTORY)}`);
    if (index % PER_DIRECTORY === 0) mkdirSync(parent, { recursive: true });
    writeFileSync(path.join(parent, `file-${index}.txt`), content());
  }
}

function text(random: SeededRandom, length: number): string {
  return random.logLines(length).slice(0, length);
}

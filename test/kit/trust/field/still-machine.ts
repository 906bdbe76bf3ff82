import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { findRangeLock, tryLockRange } from '../../../../src/system/file-locks.js';
import type { Random } from '../../random.js';
import { contentDigest } from '../machine.js';

const IMAGE_BYTES = 8 * 1024 * 1024;
const FILES = 5;
const LONGEST_FILE = 400_000;
/** QEMU's bytes for "I write", and for "nobody else may write". */
const WRITES = 101;
const NOBODY_WRITES = 201;

/** The digests of files, by their names. */
export type Files = ReadonlyMap<string, string>;

/** A machine that is off: an image in a directory, with a file system. What it was at any time is known. */
export class StillMachine {
  readonly name: string;
  readonly settings: { readonly directories: readonly string[] };
  readonly #image: string;
  readonly #work: string;
  readonly #random: Random;
  readonly #states = new Map<string, Files>();

  constructor(home: string, name: string, random: Random) {
    this.name = name;
    this.#random = random;
    const images = join(home, `${name}-images`);
    this.#work = join(home, `${name}-work`);
    for (const directory of [images, this.#work]) mkdirSync(directory);
    this.#image = join(images, `${name}.raw`);
    this.settings = { directories: [images] };
    const { image, files } = this.#make();
    this.#states.set(contentDigest(image), files);
    writeFileSync(this.#image, image);
  }

  /** Put another state there, unless somebody reads it: locked as QEMU locks what it writes. */
  change(): boolean {
    const { image, files } = this.#make();
    const fd = openSync(this.#image, 'r+');
    try {
      const mayWrite =
        tryLockRange(fd, 'shared', WRITES, 1) && findRangeLock(fd, 'exclusive', NOBODY_WRITES, 1) === undefined;
      if (!mayWrite) return false;
      this.#states.set(contentDigest(image), files);
      writeSync(fd, image, 0, image.length, 0);
      return true;
    } finally {
      closeSync(fd);
    }
  }

  /** The files of a state; undefined if it never was like this. */
  filesOf(digest: string): Files | undefined {
    return this.#states.get(digest);
  }

  /** Whether it ever had these files, and no others of ours. */
  hasFiles(found: Files): boolean {
    return [...this.#states.values()].some((files) => {
      return files.size === found.size && [...files].every(([name, digest]) => found.get(name) === digest);
    });
  }

  /** A file system of some files of other content than before; half of them are as they were. */
  #make(): { readonly image: Buffer; readonly files: Files } {
    const [tree, made] = [join(this.#work, 'tree'), join(this.#work, 'made')];
    mkdirSync(tree, { recursive: true });
    const files = new Map<string, string>();
    for (let index = 0; index < FILES; index++) {
      const path = join(tree, `file-${index}`);
      if (this.#states.size === 0 || this.#random.chance(0.5)) {
        writeFileSync(path, this.#random.bytes(this.#random.between(1, LONGEST_FILE)));
      }
      files.set(`file-${index}`, contentDigest(readFileSync(path)));
    }
    rmSync(made, { force: true });
    execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-d', tree, made, `${IMAGE_BYTES / 1024}k`]);
    return { image: readFileSync(made), files };
  }
}

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { setXattr } from '../../../src/system/xattrs.js';
import { Random } from '../random.js';
import { loopMount } from './loop-mount.js';
import { directoryManifest, filesystemManifest, manifestDifferences } from './manifest.js';
import { fileSource } from './sources.js';
import { formatXfs, openXfs } from './xfs-image.js';

/** Ways to make and to mount it: sizes of blocks, logs, records of the log. */
const VARIANTS: readonly { readonly mkfs: readonly string[]; readonly mount: readonly string[] }[] = [
  { mkfs: ['-m', 'reflink=1,bigtime=1', '-l', 'size=13m'], mount: [] },
  {
    mkfs: ['-l', 'size=9m', '-m', 'reflink=0,rmapbt=0,bigtime=0,finobt=0', '-b', 'size=1024'],
    mount: ['logbsize=64k'],
  },
  { mkfs: ['-l', 'size=20m,su=64k', '-i', 'nrext64=1', '-m', 'rmapbt=1'], mount: ['logbsize=256k'] },
  { mkfs: ['-l', 'size=16m', '-i', 'size=1024', '-n', 'size=16384'], mount: ['logbsize=32k,logbufs=2'] },
  { mkfs: ['-l', 'size=32m,su=256k', '-b', 'size=2048', '-n', 'size=8192'], mount: ['logbsize=256k,logbufs=8'] },
  { mkfs: ['-l', 'size=42m', '-b', 'size=16384', '-i', 'size=2048'], mount: ['wsync'] },
];

/**
 * Random changes of a mounted XFS, its image copied while it is mounted: what the reader shows of the copy must be what
 * the kernel shows after its own recovery.
 * @returns what differed, one line each; empty if nothing did
 */
export async function xfsHistory(t: Test, seed: number, operations = 250): Promise<string[]> {
  const random = new Random(seed);
  const directory = fastDirectory(t);
  const [image, copy] = [join(directory, 'live.img'), join(directory, 'copy.img')];
  const { mkfs, mount } = VARIANTS[seed % VARIANTS.length] ?? { mkfs: [], mount: [] };
  formatXfs(image, { sizeMib: 192, mkfs });
  const live = loopMount(t, image, mount, 'xfs');
  new History(live.directory, random).run(random.between(1, operations));
  execFileSync('cp', ['--sparse=always', image, copy]);
  live.unmount();
  const filesystem = await openXfs(fileSource(t, copy));
  const actual = await filesystemManifest(filesystem);
  const recovered = loopMount(t, copyOf(copy), ['noatime', 'nouuid'], 'xfs');
  const expected = directoryManifest(recovered.directory);
  recovered.unmount();
  const differences = manifestDifferences(actual, expected);
  if (filesystem.journal.state !== 'replayed') differences.push(`journal: ${JSON.stringify(filesystem.journal)}`);
  rmSync(directory, { recursive: true, force: true });
  return differences;
}

/** A temporary directory in memory where there is one: each history forces the log out hundreds of times. */
function fastDirectory(t: Test): string {
  const top = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const directory = mkdtempSync(join(top, 'umbra-xfs-'));
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

function copyOf(image: string): string {
  execFileSync('cp', ['--sparse=always', image, `${image}.recovered`]);
  return `${image}.recovered`;
}

/** Random operations below one directory. */
class History {
  readonly #top: string;
  readonly #random: Random;
  readonly #paths: string[] = [];
  readonly #directories: string[];
  #next = 0;

  constructor(top: string, random: Random) {
    this.#top = top;
    this.#random = random;
    this.#directories = [top];
  }

  run(operations: number): void {
    // There must be something to replay, even if nothing of the rest does anything.
    mkdirSync(join(this.#top, 'first'));
    for (let done = 0; done < operations; done++) this.#step();
    this.#sync(this.#top);
  }

  #step(): void {
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 30) this.#write(this.#newPath(), random.below(20_000));
    else if (kind < 42) this.#write(this.#anyPath(), random.below(200_000));
    else if (kind < 52) this.#remove();
    else if (kind < 60) this.#makeDirectory();
    else if (kind < 66)
      this.#attempt(() => {
        renameSync(this.#anyPath(), this.#newPath());
      });
    else if (kind < 70)
      this.#attempt(() => {
        linkSync(this.#anyPath(), this.#newPath());
      });
    else if (kind < 74)
      this.#attempt(() => {
        symlinkSync('t'.repeat(random.between(1, 1000)), this.#newPath());
      });
    else if (kind < 84) this.#setAttribute();
    else if (kind < 88)
      this.#attempt(() => {
        chmodSync(this.#anyPath(), random.below(0o7777));
      });
    else if (kind < 91)
      this.#attempt(() => {
        utimesSync(this.#anyPath(), random.below(2 ** 31), random.below(2 ** 31));
      });
    else if (kind < 93) this.#many();
    else if (kind < 96)
      this.#attempt(() => {
        this.#fragment(this.#newPath());
      });
    else
      this.#attempt(() => {
        this.#sync(this.#anyPath());
      });
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      // A path may be gone, or a directory, or there may be no room.
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }

  #newPath(): string {
    const directory = this.#directories[this.#random.below(this.#directories.length)] ?? this.#top;
    const path = join(directory, `${'n'.repeat(this.#random.between(1, 60))}${this.#next++}`);
    this.#paths.push(path);
    return path;
  }

  #anyPath(): string {
    return this.#paths[this.#random.below(this.#paths.length)] ?? this.#newPath();
  }

  #write(path: string, length: number): void {
    this.#attempt(() => {
      const file = openSync(path, 'a+');
      try {
        if (this.#random.chance(0.2)) ftruncateSync(file, this.#random.below(100_000));
        writeSync(file, this.#random.bytes(length));
        if (this.#random.chance(0.4)) fsyncSync(file);
      } finally {
        closeSync(file);
      }
    });
  }

  #remove(): void {
    const path = this.#anyPath();
    this.#attempt(() => {
      if (lstatSync(path).isDirectory() && this.#random.chance(0.7)) return;
      rmSync(path, { recursive: true });
    });
  }

  #makeDirectory(): void {
    const path = this.#newPath();
    this.#attempt(() => {
      mkdirSync(path);
      this.#directories.push(path);
    });
  }

  #setAttribute(): void {
    const name = `user.${'a'.repeat(this.#random.between(1, 40))}`;
    const length = this.#random.chance(0.2) ? this.#random.below(9000) : this.#random.below(200);
    this.#attempt(() => {
      setXattr(this.#anyPath(), name, this.#random.bytes(length));
    });
  }

  /** Names and inodes enough for blocks of directories and chunks of inodes, or all of them gone. */
  #many(): void {
    const directory = this.#newPath();
    this.#attempt(() => {
      mkdirSync(directory);
      const count = this.#random.between(20, 300);
      for (let index = 0; index < count; index++) closeSync(openSync(join(directory, `many-${index}`), 'w'));
      if (this.#random.chance(0.5)) return;
      const names = readdirSync(directory);
      for (const name of names) if (this.#random.chance(0.8)) rmSync(join(directory, name));
    });
  }

  #fragment(path: string): void {
    const file = openSync(path, 'w');
    try {
      for (let index = this.#random.between(1, 120); index > 0; index--) {
        writeSync(file, this.#random.bytes(100), 0, 100, this.#random.below(200) * 32_768);
        if (this.#random.chance(0.05)) fsyncSync(file);
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  #sync(path: string): void {
    const file = openSync(path, 'r');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}

import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { setXattr } from '../../../src/system/xattrs.js';
import { Random } from '../random.js';
import { emptyBtrfs, MIB, readBtrfs } from './btrfs-image.js';
import { loopMount } from './loop-mount.js';
import { directoryManifest, filesystemManifest, type Manifest, sameManifest } from './manifest.js';

/** How file systems are made and mounted for histories. */
const KINDS: readonly { mkfs: readonly string[]; mount: readonly string[] }[] = [
  { mkfs: [], mount: [] },
  { mkfs: ['-n', '4k', '-O', '^no-holes'], mount: ['compress-force=zstd'] },
  { mkfs: ['--csum', 'xxhash', '--mixed', '-n', '4k'], mount: ['compress=lzo'] },
];

/**
 * A random history: some files that are committed, then changes of which some are synchronised, and the machine stops.
 * What the reader shows of the image must be what the kernel shows after it has replayed the log itself.
 */
export async function checkBtrfsHistory(t: Test, seed: number, operations = 150): Promise<void> {
  const random = new Random(seed);
  const kind = KINDS[seed % KINDS.length] ?? { mkfs: [], mount: [] };
  const image = emptyBtrfs(t, { sizeBytes: 160 * MIB, mkfs: kind.mkfs });
  run(t, image, kind.mount, (top) => {
    execFileSync('btrfs', ['subvolume', 'create', join(top, 'subvolume')], { stdio: 'ignore' });
    new History(random, top).run(operations);
  });
  const dirty = `${image}.dirty`;
  run(t, image, kind.mount, (top) => {
    new History(random, top).run(operations);
    execFileSync('cp', ['--sparse=always', image, dirty]);
  });
  const filesystem = await readBtrfs(t, dirty);
  const actual = await filesystemManifest(filesystem);
  const mountedNs = BigInt(Date.now()) * 1_000_000n;
  const mount = loopMount(t, dirty, ['noatime', 'subvolid=5']);
  const expected = directoryManifest(mount.directory);
  mount.unmount();
  forgetReplayTimes(expected, actual, mountedNs);
  sameManifest(t, nameLinks(actual), nameLinks(expected));
  t.comment(`seed ${seed}: journal ${filesystem.journal.state}`);
  t.not(filesystem.journal.state, 'ignored');
}

function run(t: Test, image: string, options: readonly string[], work: (top: string) => void): void {
  const mount = loopMount(t, image, ['commit=300', ...options]);
  try {
    work(mount.directory);
  } finally {
    mount.unmount();
  }
}

/** Where the kernel took names away when it replayed, it set times to those of the replay. */
function forgetReplayTimes(expected: Manifest, actual: Manifest, mountedNs: bigint): void {
  for (const [path, entry] of expected) {
    const other = actual.get(path);
    if (other === undefined) continue;
    if ((entry.ctimeNs ?? 0n) >= mountedNs && other.ctimeNs !== undefined) entry.ctimeNs = other.ctimeNs;
    if ((entry.mtimeNs ?? 0n) >= mountedNs && other.mtimeNs !== undefined) entry.mtimeNs = other.mtimeNs;
  }
}

/** Name each group of hard links by its first path in alphabetical order: Node.js lists in that, and a reader does not. */
function nameLinks(manifest: Manifest): Manifest {
  const first = new Map<string, string>();
  for (const path of [...manifest.keys()].sort()) {
    const group = manifest.get(path)?.sameAs ?? path;
    if (!first.has(group)) first.set(group, path);
  }
  for (const [path, entry] of manifest) {
    const name = first.get(entry.sameAs ?? path) ?? path;
    delete entry.sameAs;
    if (name !== path) entry.sameAs = name;
  }
  return manifest;
}

class History {
  readonly #random: Random;
  readonly #top: string;

  constructor(random: Random, top: string) {
    this.#random = random;
    this.#top = top;
  }

  run(operations: number): void {
    const steps = [
      () => {
        this.#write();
      },
      () => {
        this.#write();
      },
      () => {
        this.#append();
      },
      () => {
        this.#truncate();
      },
      () => {
        this.#directory();
      },
      () => {
        this.#rename();
      },
      () => {
        this.#rename();
      },
      () => {
        this.#link();
      },
      () => {
        this.#unlink();
      },
      () => {
        this.#symlink();
      },
      () => {
        this.#xattr();
      },
      () => {
        this.#clone();
      },
      () => {
        this.#allocate();
      },
      () => {
        this.#synchronise();
      },
      () => {
        this.#synchronise();
      },
    ];
    for (let count = 0; count < operations; count++) {
      try {
        steps[this.#random.below(steps.length)]?.();
      } catch (error) {
        // What cannot be done, as a directory that is moved into itself, is left out.
        if (!(error instanceof Error && 'code' in error) && !(error instanceof Error && 'status' in error)) throw error;
      }
    }
  }

  #directories(): string[] {
    const found = [this.#top];
    // What is found on the way is walked as well.
    for (const directory of found) {
      for (const name of readdirSync(directory).sort()) {
        if (lstatSync(join(directory, name)).isDirectory()) found.push(join(directory, name));
      }
    }
    return found;
  }

  #files(): string[] {
    return this.#directories().flatMap((directory) =>
      readdirSync(directory)
        .sort()
        .map((name) => join(directory, name))
        .filter((path) => lstatSync(path).isFile()),
    );
  }

  #pick(paths: readonly string[]): string {
    return paths[this.#random.below(paths.length)] ?? this.#top;
  }

  #newPath(): string {
    const long = this.#random.chance(0.1) ? 'a-long-name-'.repeat(15) : '';
    return join(this.#pick(this.#directories()), `${long}${this.#random.below(12)}`);
  }

  #content(): Buffer {
    const length = this.#random.chance(0.4) ? this.#random.below(3000) : this.#random.below(300_000);
    return this.#random.chance(0.5) ? this.#random.bytes(length) : Buffer.alloc(length, this.#random.below(256));
  }

  #open(path: string, flags: string, work: (fd: number) => void): void {
    const fd = openSync(path, flags);
    try {
      work(fd);
      if (this.#random.chance(0.25)) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  #write(): void {
    const isNew = this.#random.chance(0.6);
    this.#open(isNew ? this.#newPath() : this.#pick(this.#files()), isNew ? 'a' : 'r+', (fd) => {
      writeSync(fd, this.#content(), 0, null, this.#random.chance(0.5) ? 0 : this.#random.below(500_000));
    });
  }

  #append(): void {
    this.#open(this.#pick(this.#files()), 'a', (fd) => writeSync(fd, this.#content()));
  }

  #truncate(): void {
    this.#open(this.#pick(this.#files()), 'r+', (fd) => {
      ftruncateSync(fd, this.#random.below(this.#random.chance(0.5) ? 5000 : 400_000));
    });
  }

  #directory(): void {
    if (this.#random.chance(0.7)) mkdirSync(this.#newPath());
    else rmdirSync(this.#pick(this.#directories()));
  }

  #rename(): void {
    const from = this.#pick(this.#random.chance(0.3) ? this.#directories() : this.#files());
    renameSync(from, this.#random.chance(0.3) ? this.#pick(this.#files()) : this.#newPath());
  }

  #link(): void {
    linkSync(this.#pick(this.#files()), this.#newPath());
  }

  #unlink(): void {
    unlinkSync(this.#pick(this.#files()));
  }

  #symlink(): void {
    // Nowhere: a write that follows it must not leave this file system.
    symlinkSync(`../gone/target-${this.#random.below(1000)}`, this.#newPath());
  }

  #xattr(): void {
    const path = this.#pick(this.#random.chance(0.3) ? this.#directories() : this.#files());
    const name = `user.name-${this.#random.below(3)}`;
    if (this.#random.chance(0.6)) setXattr(path, name, this.#random.bytes(this.#random.below(100)));
    else execFileSync('setfattr', ['-x', name, path], { stdio: 'ignore' });
  }

  #clone(): void {
    const options = { stdio: 'ignore' } as const;
    execFileSync('cp', ['--reflink=always', this.#pick(this.#files()), this.#newPath()], options);
  }

  #allocate(): void {
    const mode = [['-p'], ['-n'], ['-z'], []][this.#random.below(4)] ?? [];
    const range = ['-o', String(this.#random.below(300_000)), '-l', String(this.#random.between(1, 200_000))];
    execFileSync('fallocate', [...mode, ...range, this.#pick(this.#files())], { stdio: 'ignore' });
  }

  #synchronise(): void {
    const path = this.#pick(this.#random.chance(0.4) ? this.#directories() : this.#files());
    const fd = openSync(path, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}

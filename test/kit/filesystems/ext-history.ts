import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import { BlockCache } from '../../../mount/blocks/block-cache.js';
import { type ByteSource, readExactly } from '../../../mount/blocks/byte-source.js';
import { findSuperblock } from '../../../mount/filesystems/ext/find-superblock.js';
import { fastCommitTags } from '../../../mount/filesystems/ext/journal/fast-scan.js';
import { openLog } from '../../../mount/filesystems/ext/journal/journal-inode.js';
import { replayJournal } from '../../../mount/filesystems/ext/journal/replay.js';
import { openVolume } from '../../../mount/filesystems/ext/open-volume.js';
import type { Volume } from '../../../mount/filesystems/ext/volume.js';
import { setXattr } from '../../../src/system/xattrs.js';
import { Random } from '../random.js';
import { type ExtImage, makeExtImage, openExt } from './ext-images.js';
import { loopMount } from './loop-mount.js';
import { directoryManifest, filesystemManifest, type Manifest, sameManifest } from './manifest.js';
import { fileSource } from './sources.js';

/** A file system on which random things happen until its volume is copied while it is in use. */
export interface ExtHistory extends ExtImage {
  readonly mountOptions?: readonly string[];
  readonly operations?: number;
  /** How many operations follow at the end that fast commits can hold. */
  readonly fastOperations?: number;
}

/** The kinds of journals, one after the other. */
export const EXT_HISTORIES: readonly ExtHistory[] = [
  { name: 'ext4-csum-v3', options: ext4('metadata_csum,64bit') },
  { name: 'ext4-no-csum', options: ext4('^metadata_csum,^64bit') },
  { name: 'ext3-1k', options: ['-t', 'ext3', '-b', '1024', '-J', 'size=1', '-O', '^metadata_csum'] },
  { name: 'ext4-data-journal', options: ext4('metadata_csum'), mountOptions: ['data=journal'] },
  { name: 'ext4-inline', options: ext4('inline_data,metadata_csum', 4096, '256') },
  { name: 'ext4-async', options: ext4('^metadata_csum'), mountOptions: ['data=writeback', 'journal_async_commit'] },
  { name: 'ext4-1k', options: ext4('metadata_csum', 1024) },
  { name: 'ext4-bigalloc', options: ext4('bigalloc,metadata_csum') },
  { name: 'ext4-sum', options: ext4('^metadata_csum,^64bit'), mountOptions: ['journal_checksum'] },
  { name: 'ext4-ea-inode', options: ext4('ea_inode,metadata_csum') },
];

/** Those whose journals have fast commits: only the trees can be compared. */
export const FAST_COMMIT_HISTORIES: readonly ExtHistory[] = [
  {
    name: 'fast-commit',
    options: ['-t', 'ext4', '-b', '1024', '-J', 'size=8', '-O', 'fast_commit,metadata_csum'],
    sizeMib: 64,
    operations: 60,
    fastOperations: 60,
  },
  {
    name: 'fast-commit-4k',
    options: ['-t', 'ext4', '-b', '4096', '-J', 'size=16', '-O', 'fast_commit,^metadata_csum'],
    sizeMib: 96,
    operations: 60,
    fastOperations: 14,
  },
];

function ext4(features: string, blockBytes = 4096, inodeBytes = '256'): string[] {
  const journal = blockBytes === 1024 ? 'size=1' : 'size=4';
  return ['-t', 'ext4', '-b', String(blockBytes), '-I', inodeBytes, '-J', journal, '-O', features];
}

/** Make an image, change it under a live mount and copy it twice as it is then. @returns the paths of the copies */
export function dirtyExtImage(t: Test, directory: string, history: ExtHistory, seed: number): string[] {
  const image = makeExtImage(directory, history);
  const { mountOptions = [], operations = 150, fastOperations = 0 } = history;
  const mounted = loopMount(t, image, mountOptions, 'ext4');
  const random = new Random(seed);
  const world = new World(mounted.directory, random);
  const copies = ['one', 'two'].map((name) => {
    for (let step = 0; step < operations; step++) world.step();
    world.settle();
    for (let step = 0; step < fastOperations; step++) world.fastStep(step + 1 === fastOperations);
    const copy = join(directory, `${history.name}-${name}.dirty`);
    execFileSync('cp', ['--sparse=always', image, copy]);
    return copy;
  });
  mounted.unmount();
  rmSync(image);
  return copies;
}

/** Files and directories that random things happen to; most of them are written to the disk at once. */
class World {
  readonly #root: string;
  readonly #random: Random;
  readonly #directories: string[];
  readonly #files: string[] = [];
  #names = 0;
  /** Directories are not written to the disk: that takes a full commit. */
  #isFast = false;

  constructor(root: string, random: Random) {
    this.#root = root;
    this.#random = random;
    this.#directories = [root];
  }

  step(): void {
    const kind = this.#random.below(20);
    const file = this.#pick(this.#files);
    if (kind < 5 || file === undefined) this.#create();
    else if (kind < 9) this.#write(file);
    else if (kind === 9) this.#truncate(file);
    else if (kind < 12) this.#unlink(file);
    else if (kind === 12) this.#mkdir();
    else if (kind === 13) this.#rename(file);
    else if (kind === 14) this.#link(file);
    else if (kind === 15) this.#symlink();
    else if (kind === 16) setXattr(file, `user.x${this.#random.below(4)}`, this.#random.bytes(this.#random.below(300)));
    else if (kind === 17) this.#touch(file);
    else if (kind === 18) this.#rmdir();
    else this.#punch(file);
  }

  /** Something that a fast commit can hold, written to the disk at once. */
  fastStep(isLast: boolean): void {
    const kind = isLast ? 0 : this.#random.below(12);
    const file = this.#pick(this.#files);
    this.#isFast = true;
    if (kind < 3 || file === undefined) this.#create();
    else if (kind < 6) this.#write(file);
    else if (kind === 6) this.#unlink(file);
    else if (kind === 7) this.#mkdir();
    else if (kind === 8) this.#rename(file);
    else if (kind === 9) this.#link(file);
    else if (kind === 10) this.#truncate(file);
    else this.#touch(file);
    this.#isFast = false;
  }

  /** Write all files and directories to the disk, so that the order of what is not yet there does not matter. */
  settle(): void {
    for (const path of [...this.#files, ...this.#directories]) if (this.#random.chance(0.5)) fsyncPath(path);
    fsyncPath(this.#root);
  }

  #pick(paths: readonly string[]): string | undefined {
    return paths[this.#random.below(paths.length)];
  }

  #path(): string {
    const directory = this.#pick(this.#directories) ?? this.#root;
    return join(directory, `${'n'.repeat(this.#random.between(1, 60))}-${this.#names++}`);
  }

  #sync(...paths: readonly string[]): void {
    if (this.#isFast) for (const path of paths.filter((path) => this.#files.includes(path))) fsyncPath(path);
    else if (this.#random.chance(0.7)) for (const path of paths) fsyncPath(path);
  }

  #create(): void {
    const path = this.#path();
    const fd = openSync(path, 'w');
    const length = this.#random.chance(0.2) ? this.#random.below(200_000) : this.#random.below(5_000);
    writeSync(fd, this.#content(length));
    closeSync(fd);
    this.#files.push(path);
    this.#sync(path, dirname(path));
  }

  /** Some content looks like the journal's own blocks, which has to be escaped there. */
  #content(length: number): Buffer {
    const bytes = this.#random.bytes(length);
    if (this.#random.chance(0.5)) {
      for (let at = 0; at + 4 <= length; at += 1024) bytes.writeUInt32BE(0xc03b3998, at);
    }
    return bytes;
  }

  #write(path: string): void {
    const fd = openSync(path, 'r+');
    const bytes = this.#content(this.#random.between(1, 20_000));
    writeSync(fd, bytes, 0, bytes.length, this.#random.below(8) * 4096 + this.#random.below(3));
    closeSync(fd);
    this.#sync(path);
  }

  #truncate(path: string): void {
    const fd = openSync(path, 'r+');
    ftruncateSync(fd, this.#random.below(60_000));
    closeSync(fd);
    this.#sync(path);
  }

  #punch(path: string): void {
    const place = ['--offset', String(this.#random.below(10) * 4096), '--length', '4096'];
    const holes = this.#random.chance(0.5) ? ['--punch-hole'] : [];
    // Files without extents know no such thing.
    spawnSync('fallocate', [...holes, ...place, path], { stdio: 'ignore' });
    this.#sync(path);
  }

  #unlink(path: string): void {
    unlinkSync(path);
    this.#forget(path);
    this.#sync(dirname(path));
  }

  #forget(path: string): void {
    this.#files.splice(this.#files.indexOf(path), 1);
  }

  #mkdir(): void {
    const path = this.#path();
    mkdirSync(path);
    this.#directories.push(path);
    this.#sync(path, dirname(path));
  }

  #rmdir(): void {
    const path = this.#pick(this.#directories.slice(1));
    if (path === undefined || [...this.#files, ...this.#directories].some((other) => dirname(other) === path)) return;
    if (this.#links.has(path)) return;
    rmdirSync(path);
    this.#directories.splice(this.#directories.indexOf(path), 1);
    this.#sync(dirname(path));
  }

  #rename(path: string): void {
    const other = this.#pick(this.#files) ?? path;
    const target = this.#random.chance(0.3) && other !== path ? other : this.#path();
    renameSync(path, target);
    this.#forget(path);
    if (!this.#files.includes(target)) this.#files.push(target);
    this.#sync(dirname(target), dirname(path));
  }

  #link(path: string): void {
    const target = this.#path();
    linkSync(path, target);
    this.#files.push(target);
    this.#sync(target, dirname(target));
  }

  /** Directories with symbolic links in them: they are not removed. */
  readonly #links = new Set<string>();

  #symlink(): void {
    const path = this.#path();
    symlinkSync('t'.repeat(this.#random.between(1, 200)), path);
    this.#links.add(dirname(path));
    this.#sync(dirname(path));
  }

  #touch(path: string): void {
    chmodSync(path, this.#random.below(0o1000) | 0o400);
    utimesSync(path, this.#random.below(2 ** 32), this.#random.below(2 ** 33));
    this.#sync(path);
  }
}

function fsyncPath(path: string): void {
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

/** What the kernel shows of a dirty image, after it replayed the journal of a copy. */
export async function sameAsReplayed(t: Test, dirty: string, hasFastCommits = false): Promise<void> {
  const filesystem = await openExt(t, dirty);
  t.same(filesystem.journal, { state: 'replayed' });
  t.same(filesystem.problems, []);
  const actual = await filesystemManifest(filesystem);
  const copy = `${dirty}.kernel`;
  execFileSync('cp', ['--sparse=always', dirty, copy]);
  const mounted = loopMount(t, copy, ['noatime'], 'ext4');
  const expected = directoryManifest(mounted.directory);
  mounted.unmount();
  rmSync(copy);
  for (const manifest of hasFastCommits ? [actual, expected] : []) dropReplayTimes(manifest);
  // For fast commits the kernel builds trees of extents of its own.
  sameManifest(t, actual, expected, hasFastCommits ? { ignore: ['blocks'] } : {});
}

/**
 * One assertion: that the volume after the replay is, but for the superblock and the journal itself, what e2fsck makes of
 * a copy.
 */
export async function sameAsE2fsck(t: Test, dirty: string): Promise<void> {
  const source = fileSource(t, dirty);
  const cache = new BlockCache(8 * 1024 * 1024);
  const volume = openVolume({ source, cache, ...(await findSuperblock(source)) });
  const { overlay } = await replayJournal(volume);
  const copy = `${dirty}.e2fsck`;
  execFileSync('cp', ['--sparse=always', dirty, copy]);
  spawnSync('e2fsck', ['-y', '-E', 'journal_only', copy], { stdio: 'ignore' });
  const without = await blocksOfJournal(volume);
  const { blockBytes } = volume.superblock;
  without.add(Math.floor(1024 / blockBytes));
  t.same(await differentBlocks(overlay ?? source, fileSource(t, copy), blockBytes, without), []);
  rmSync(copy);
}

async function blocksOfJournal(volume: Volume): Promise<Set<number>> {
  const log = await openLog(volume);
  return new Set(Array.from({ length: log.blocks }, (_, block) => log.physical(block)));
}

async function differentBlocks(
  actual: ByteSource,
  expected: ByteSource,
  blockBytes: number,
  without: ReadonlySet<number>,
): Promise<number[]> {
  const different: number[] = [];
  const piece = 1024 * 1024;
  for (let offset = 0; offset < expected.sizeBytes; offset += piece) {
    const length = Math.min(piece, expected.sizeBytes - offset);
    const [a, e] = [await readExactly(actual, offset, length), await readExactly(expected, offset, length)];
    if (a.equals(e)) continue;
    for (let at = 0; at < length; at += blockBytes) {
      const block = (offset + at) / blockBytes;
      const isSame = a.subarray(at, at + blockBytes).equals(e.subarray(at, at + blockBytes));
      if (!isSame && !without.has(block)) different.push(block);
    }
  }
  return different.slice(0, 20);
}

/** The kernel gives a directory whose names a fast commit changes the time of the replay, and blocks of its own. */
function dropReplayTimes(manifest: Manifest): void {
  for (const entry of manifest.values()) {
    if (entry.type !== 'directory') continue;
    delete entry.mtimeNs;
    delete entry.ctimeNs;
    delete entry.sizeBytes;
  }
}

/** How many changes the fast commits of an image hold. */
export async function countFastTags(t: Test, dirty: string): Promise<number> {
  const source = fileSource(t, dirty);
  const cache = new BlockCache(8 * 1024 * 1024);
  const { fast } = await replayJournal(openVolume({ source, cache, ...(await findSuperblock(source)) }));
  let count = 0;
  if (fast !== undefined) for await (const tag of fastCommitTags(fast)) count += tag.kind > 0 ? 1 : 0;
  return count;
}

import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import type { Test } from 'tap';
import { BlockCache } from '../../../mount/blocks/block-cache.js';
import { openBtrfs } from '../../../mount/filesystems/btrfs/driver.js';
import type { Filesystem } from '../../../mount/filesystems/filesystem.js';
import { temporaryDirectory } from '../temporary.js';
import { loopMount } from './loop-mount.js';
import { directoryManifest, type Manifest } from './manifest.js';
import { fileSource } from './sources.js';

export const MIB = 1024 * 1024;

export interface BtrfsImageOptions {
  readonly sizeBytes?: number;
  /** Options of mkfs.btrfs. */
  readonly mkfs?: readonly string[];
  /** Mount options under which it is filled. */
  readonly mount?: readonly string[];
  /** Bash commands that fill it, run in its top directory. */
  readonly fill: string;
}

/** An image of one device, made by mkfs.btrfs and filled by the kernel; unmounted. */
export function btrfsImage(t: Test, options: BtrfsImageOptions): string {
  const image = emptyBtrfs(t, options);
  const mount = loopMount(t, image, options.mount);
  bash(options.fill, mount.directory);
  mount.unmount();
  return image;
}

/** An image of one device as mkfs.btrfs leaves it. */
export function emptyBtrfs(t: Test, { sizeBytes = 256 * MIB, mkfs = [] }: Omit<BtrfsImageOptions, 'fill'>): string {
  const image = join(temporaryDirectory(t), 'btrfs.img');
  writeFileSync(image, '');
  truncateSync(image, sizeBytes);
  execFileSync('mkfs.btrfs', ['-q', ...mkfs, image], { stdio: ['ignore', 'ignore', 'pipe'] });
  return image;
}

/** Run commands in a directory; a failure of one ends them. */
export function bash(commands: string, directory: string): string {
  return execFileSync('bash', ['-eu', '-c', commands], {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * MIB,
  });
}

/** What the kernel shows of an image's top level, all subvolumes in it. */
export function kernelManifest(t: Test, image: string): Manifest {
  const mount = loopMount(t, image, ['ro', 'subvolid=5', 'noatime']);
  const manifest = directoryManifest(mount.directory);
  mount.unmount();
  return manifest;
}

/** The reader over one or more images. */
export function readBtrfs(t: Test, ...images: readonly string[]): Promise<Filesystem> {
  const sources = images.map((image, index) => fileSource(t, image, `vd${String.fromCharCode(97 + index)}`));
  return openBtrfs({ sources, cache: new BlockCache(32 * MIB) });
}

/** Two names with a common start that have the same hash in a directory. */
export function collidingNames(start: string): [string, string] {
  const byHash = new Map<number, string>();
  for (let number = 0; ; number++) {
    // Names that differ in less than the bits of the hash never collide.
    const name = `${start}${number.toString(36)}${(Math.imul(number, 0x9e3779b1) >>> 0).toString(36)}`;
    const hash = crc32c(name, 1);
    const other = byHash.get(hash);
    if (other !== undefined) return [other, name];
    byHash.set(hash, name);
  }
}

/** All kinds of files, with all that can be known of them. */
export const EVERYTHING = `
mkdir -p dir/deep/deeper many empty
: > dir/nothing
printf 'inline' > dir/inline
head -c 2000 /dev/urandom > dir/inline-long
head -c 5000 /dev/urandom > dir/two-sectors
head -c 3000000 /dev/urandom > dir/random
yes 'a line that is easily compressed' | head -c 1500000 > dir/lines
seq 1 200000 > dir/numbers
( head -c 200000 /dev/urandom; yes zz | head -c 300000; head -c 100000 /dev/urandom; yes y | head -c 70001 ) > dir/mixed
truncate -s 5M dir/hole
printf 'x' | dd of=dir/sparse bs=1 seek=3000000 conv=notrunc status=none
printf 'y' | dd of=dir/sparse bs=1 seek=1000000 conv=notrunc status=none
fallocate -l 1000000 dir/preallocated
printf 'begin' | dd of=dir/preallocated bs=1 seek=500000 conv=notrunc status=none
printf begin > dir/beyond-its-end; fallocate -n -l 2000000 dir/beyond-its-end
cp --reflink=always dir/random dir/reflink
cp --reflink=always dir/lines dir/reflink-of-lines
printf 'changed' | dd of=dir/reflink-of-lines bs=1 seek=400000 conv=notrunc status=none
cp dir/numbers dir/punched
fallocate -p -o 40960 -l 200000 dir/punched
fallocate -c -o 409600 -l 40960 dir/punched 2> /dev/null || true
cp dir/inline dir/grown
truncate -s 100000 dir/grown
printf 'tail' >> dir/grown
: > dir/no-cow
chattr +C dir/no-cow
head -c 300000 /dev/urandom > dir/no-cow
ln dir/inline dir/deep/hard-link
ln dir/inline dir/deep/deeper/hard-link
for i in $(seq 8); do ln dir/random dir/deep/deeper/link-$i; done
ln -s ../inline dir/deep/link
ln -s "$(printf 'long%.0s' $(seq 250))" dir/deep/long-link
mkfifo -m 0640 dir/fifo
mknod dir/character c 5 1
mknod dir/block b 259 70000
chmod 4755 dir/two-sectors
chmod 1777 empty
chown 1000:1001 dir/lines
chown -h 70000:80000 dir/deep/link
touch -h -d '1999-12-31 23:59:59.123456789' dir/deep/link
touch -d '1901-01-01 00:00:00.000000001 UTC' dir/nothing
touch -d '2200-02-03 04:05:06.999999999 UTC' -a dir/random
for i in $(seq 700); do : > "many/a name of some length $i"; done
rm many/*7
printf 'name' > $'dir/latin-\\xe9'
printf 'name' > $'dir/back\\\\x41slash'
printf 'name' > 'dir/ünïcödé'
printf 'name' > "dir/$(printf 'n%.0s' $(seq 255))"
setfattr -n user.comment -v 'a comment' dir/inline
setfattr -n user.empty dir/inline
setfattr -n user.long -v "$(printf 'v%.0s' $(seq 3000))" dir/inline
setfattr -n trusted.hidden -v 0x00ff dir/deep
setfattr -n security.something -v 1 dir/fifo
for i in $(seq 6); do setfattr -n user.number-$i -v $i dir/lines; done
setfacl -m u:1000:rw,g:1001:r dir/numbers
setfacl -m u:1000:rwx -d -m g:1001:rx dir/deep
`;

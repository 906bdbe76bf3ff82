import { execFileSync } from 'node:child_process';
import { closeSync, openSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { BlockCache } from '../../../mount/blocks/block-cache.js';
import { extDriver } from '../../../mount/filesystems/ext/ext.js';
import type { Filesystem } from '../../../mount/filesystems/filesystem.js';
import { loopMount } from './loop-mount.js';
import { directoryManifest, filesystemManifest, type Manifest, sameManifest } from './manifest.js';
import { fileSource } from './sources.js';

/** How an image is made. */
export interface ExtImage {
  readonly name: string;
  /** What follows `mke2fs`; nothing depends on the defaults of its configuration file. */
  readonly options: readonly string[];
  readonly sizeMib?: number;
}

/** Make an empty file system in a file of zeros. */
export function makeExtImage(directory: string, { name, options, sizeMib = 32 }: ExtImage): string {
  const image = join(directory, `${name}.img`);
  execFileSync('truncate', ['--size', `${sizeMib}M`, image]);
  execFileSync('mke2fs', ['-q', '-F', ...options, image], { stdio: ['ignore', 'ignore', 'pipe'] });
  return image;
}

/** Open an image with the reader. */
export async function openExt(t: Test, image: string): Promise<Filesystem> {
  return await extDriver.open({ source: fileSource(t, image), cache: new BlockCache(8 * 1024 * 1024) });
}

/**
 * Fill a mounted file system with everything that files can be: sizes around the borders of the formats, holes,
 * unwritten extents, many extents, links, devices, odd names, times and owners, attributes and access control lists.
 */
export function fillTree(root: string, names = 300): void {
  const script = `
set -e
mkdir plain deep many acl times links odd
for size in 0 1 59 60 61 100 150 200 1023 1024 1025 4095 4096 4097 12288 65536 70001 300000; do
  head -c $size /dev/urandom > plain/size-$size
done
head -c 3000000 /dev/urandom > plain/large
truncate -s 5000000 plain/hole
dd if=/dev/urandom of=plain/holes bs=1024 count=3 seek=7 status=none
dd if=/dev/urandom of=plain/holes bs=1024 count=3 seek=300 conv=notrunc status=none
dd if=/dev/urandom of=plain/holes bs=1024 count=3 seek=20000 conv=notrunc status=none
dd if=/dev/urandom of=plain/holes bs=1024 count=1 seek=70000 conv=notrunc status=none
fallocate -l 200000 plain/unwritten 2>/dev/null || true
if [ -e plain/unwritten ]; then printf hello | dd of=plain/unwritten bs=1 seek=50000 conv=notrunc status=none; fi
d=deep; for i in $(seq 1 12); do d=$d/level-$i; mkdir $d; echo $i > $d/file; done
(cd many; for i in $(seq 1 ${names}); do echo $i > "a name of a file, the number of which is $i"; done)
chmod 6755 plain/size-1; chmod 1777 deep; chmod 000 plain/size-59
chown 65534:100000 plain/size-60; chown 4000000000:3000000000 plain/size-61
ln plain/large links/hard; ln plain/large links/hard2
ln -s plain/large links/short; ln -s $(printf '%059d' 7) links/fifty-nine; ln -s $(printf '%060d' 7) links/sixty
ln -s $(printf '%0500d' 7) links/long; ln -s $(printf '%01000d' 7) links/longer; ln -s '../odd/\\x41 and ümlaut' links/odd
mkfifo odd/fifo; mknod odd/null c 1 3; mknod odd/disk b 259 70000; mknod odd/big c 4095 1048575; mknod odd/old b 8 17
touch "odd/$(printf 'not \\377\\376 utf8')" "odd/$(printf 'back\\\\x41slash')" "odd/ümlaut" "odd/$(printf '%0255d' 1)" "odd/new
line"
touch -d '1969-12-31 23:59:58.123456789Z' times/before; touch -d '1905-01-01 00:00:00Z' times/old
touch -d '2038-01-19 03:14:08.000000001Z' times/after; touch -d '2400-01-01 12:34:56.987654321Z' times/far
touch -d '2100-06-01 01:02:03.5Z' -a times/access
setfattr -n user.short -v x plain/size-100; setfattr -n user.empty plain/size-100
setfattr -n trusted.hidden -v 0x00ff plain/size-100; setfattr -n security.some -v secret deep
for i in 1 2 3 4 5; do setfattr -n user.number-$i -v $(printf "%050d" $i) plain/size-1024; done
setfattr -n user.large -v $(printf "%0700d" 7) plain/size-1025
setfattr -n trusted.link -v of-a-link -h links/short; setfattr -n trusted.link -v of-a-link -h links/long
touch acl/file; mkdir acl/directory
setfacl -m u:1000:rw,g:2000:r,m::rwx acl/file; setfacl -d -m u:4000000000:rwx,g:7:--- acl/directory; echo x > acl/directory/inherits
`;
  execFileSync('bash', ['-c', script], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  writePieces(join(root, 'plain/pieces'));
}

/** A file of every other block only, so that it has hundreds of extents. */
function writePieces(path: string): void {
  const fd = openSync(path, 'w');
  for (let piece = 0; piece < 700; piece++) writeSync(fd, Buffer.alloc(4096, piece + 1), 0, 4096, piece * 8192);
  closeSync(fd);
}

/** Make an image, fill it through the kernel, and unmount it. */
export function filledExtImage(t: Test, directory: string, image: ExtImage, fill = fillTree): string {
  const path = makeExtImage(directory, image);
  const mounted = loopMount(t, path, ['acl', 'user_xattr'], 'ext4');
  fill(mounted.directory);
  mounted.unmount();
  return path;
}

/** What the kernel shows of an image, mounted read-only. */
export function kernelManifest(t: Test, image: string, options: readonly string[] = ['ro']): Manifest {
  const mounted = loopMount(t, image, options, 'ext4');
  const manifest = directoryManifest(mounted.directory);
  mounted.unmount();
  return manifest;
}

/** One assertion: that the reader shows of an image what the kernel shows. */
export async function sameAsKernel(t: Test, image: string): Promise<void> {
  const expected = kernelManifest(t, image);
  sameManifest(t, await filesystemManifest(await openExt(t, image)), expected);
}

/** One assertion: that statfs(2) of the kernel and the reader's figures are the same. */
export async function sameUsageAsKernel(t: Test, image: string): Promise<void> {
  const mounted = loopMount(t, image, ['ro'], 'ext4');
  const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(mounted.directory);
  mounted.unmount();
  t.same(await (await openExt(t, image)).usage(), {
    blockBytes: bsize,
    blocks,
    freeBlocks: bfree,
    availableBlocks: bavail,
    files,
    freeFiles: ffree,
  });
}

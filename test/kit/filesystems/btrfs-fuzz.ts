import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { BlockCache } from '../../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../../mount/blocks/byte-source.js';
import { checksumKind } from '../../../mount/filesystems/btrfs/checksum.js';
import { openBtrfs } from '../../../mount/filesystems/btrfs/driver.js';
import type { Filesystem } from '../../../mount/filesystems/filesystem.js';
import { Random } from '../random.js';
import { bash, btrfsImage, MIB } from './btrfs-image.js';
import { exercise, type Patch, patchedSource, randomPatches } from './fuzz.js';
import { loopMount } from './loop-mount.js';

const SUPERBLOCK = { offset: 0x10000, length: 4096 } as const;

interface Block {
  readonly offset: number;
  readonly length: number;
}

/** A small image with all kinds of files and a log tree, and where its superblock and tree blocks stand. */
export interface FuzzImage {
  readonly bytes: Buffer;
  readonly blocks: readonly Block[];
  readonly checksum: number;
}

/** The image of `file`, looked through for tree blocks. */
export function fuzzImage(file: string): FuzzImage {
  const bytes = readFileSync(file);
  const nodeBytes = bytes.readUInt32LE(SUPERBLOCK.offset + 0x94);
  const fsid = bytes.subarray(SUPERBLOCK.offset + 0x20, SUPERBLOCK.offset + 0x30);
  const kind = bytes.readUInt16LE(SUPERBLOCK.offset + 0xc4);
  const blocks: Block[] = [SUPERBLOCK];
  for (let offset = MIB; offset + nodeBytes <= bytes.length; offset += 4096) {
    if (bytes.compare(fsid, 0, 16, offset + 0x20, offset + 0x30) !== 0) continue;
    const body = bytes.subarray(offset + 32, offset + nodeBytes);
    if (checksumKind(kind).matches(body, bytes, offset)) blocks.push({ offset, length: nodeBytes });
  }
  return { bytes, blocks, checksum: kind };
}

/** Change some bytes of tree blocks so that their checksums are right again: the change gets past them. */
function mutant(random: Random, { bytes, blocks, checksum }: FuzzImage): Patch[] {
  // Headers, keys and items are where it hurts: the first part of a block as often as all of it.
  const regions = blocks.map(({ offset, length }) => ({
    offset: offset + 32,
    length: random.chance(0.5) ? Math.min(length - 32, 600) : length - 32,
  }));
  const changed = new Map<number, Buffer>();
  for (const { offset, bytes: patch } of randomPatches(random, bytes, regions)) {
    const block = blocks.find((block) => offset >= block.offset && offset < block.offset + block.length);
    if (block === undefined) continue;
    const copy = changed.get(block.offset) ?? Buffer.from(bytes.subarray(block.offset, block.offset + block.length));
    copy.set(patch.subarray(0, block.length - (offset - block.offset)), offset - block.offset);
    changed.set(block.offset, copy);
  }
  return [...changed].map(([offset, copy]) => {
    if (random.chance(0.95)) checksumKind(checksum).of(copy.subarray(32)).copy(copy);
    return { offset, bytes: copy };
  });
}

/** Look at so many mutants of an image. Nothing may be wrong with the reader on any of them. */
export async function fuzzBtrfs(t: Test, image: FuzzImage, seed: number, count: number): Promise<void> {
  const wrong: string[] = [];
  for (let run = 0; run < count; run++) {
    const source = patchedSource(image.bytes, mutant(new Random(seed + run), image));
    const open = (strict: ByteSource): Promise<Filesystem> =>
      openBtrfs({ sources: [strict], cache: new BlockCache(4 * MIB) });
    for (const what of await exercise(source, open)) wrong.push(`seed ${seed + run}: ${what}`);
  }
  t.same(wrong.slice(0, 5), [], `${count} mutants`);
}

/** An image to make mutants of: small, with all kinds of files, and with a log tree. */
export function dirtyFuzzImage(t: Test): string {
  const fill = `
    mkdir dir many; for i in $(seq 60); do printf "name $i" > many/name-$i; done
    seq 1 60000 > dir/numbers; head -c 50000 /dev/urandom > dir/random; ln dir/random dir/link; ln -s link dir/symlink
    setfattr -n user.name -v value dir/random; truncate -s 1M dir/hole; fallocate -l 200000 dir/preallocated
    mknod dir/device c 1 3; btrfs subvolume create sub > /dev/null; btrfs subvolume snapshot sub snapshot > /dev/null`;
  const image = btrfsImage(t, {
    sizeBytes: 64 * MIB,
    mkfs: ['--mixed', '-n', '4k', '-m', 'single', '-d', 'single'],
    fill,
  });
  const mount = loopMount(t, image, ['commit=300', 'compress-force=zstd']);
  const changes = `
    rm many/name-1?; mv many/name-2 many/new; seq 1 20000 > dir/other; sync dir/other; ln dir/other many/other
    mkdir many/fresh; printf x > many/fresh/file; sync many/fresh/file; printf more >> dir/numbers; sync dir/numbers
    setfattr -x user.name dir/random; sync dir/random; sync many; sync dir; printf y > sub/file; sync sub/file`;
  bash(changes, mount.directory);
  const dirty = `${image}.dirty`;
  execFileSync('cp', ['--sparse=always', image, dirty]);
  mount.unmount();
  return dirty;
}

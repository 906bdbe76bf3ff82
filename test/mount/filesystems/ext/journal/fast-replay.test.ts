import t from 'tap';
import { crcOf } from '../../../../../mount/filesystems/ext/checksum.js';
import { replayFastCommits } from '../../../../../mount/filesystems/ext/journal/fast-replay.js';
import { fastCommitTags, TAG } from '../../../../../mount/filesystems/ext/journal/fast-scan.js';
import type { FastCommitArea } from '../../../../../mount/filesystems/ext/journal/replay.js';
import type { Volume } from '../../../../../mount/filesystems/ext/volume.js';

const BLOCK_BYTES = 65_536;
const SEQUENCE = 9;

function tag(kind: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(kind, 0);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, value]);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, index * 4);
  return bytes;
}

/** Fast commits with these changes, each in a block. */
function areaOf(
  commits: readonly (readonly Buffer[])[],
  damage: (last: Buffer) => void = () => undefined,
): FastCommitArea {
  const blocks = commits.map((tags) => {
    const content = Buffer.concat([tag(TAG.HEAD, numbers(0, SEQUENCE)), ...tags]);
    const tail = tag(TAG.TAIL, Buffer.alloc(BLOCK_BYTES - content.length - 4));
    tail.writeUInt32LE(SEQUENCE, 4);
    tail.writeUInt32LE(crcOf(crcOf(0, content), tail.subarray(0, 8)), 8);
    return Buffer.concat([content, tail]);
  });
  damage(blocks.at(-1) ?? Buffer.alloc(100));
  const log = { blockBytes: BLOCK_BYTES, read: (number: number) => blocks[number] ?? Buffer.alloc(BLOCK_BYTES) };
  const area = { log, journal: { fastFirst: 0, fastEnd: 400 }, sequence: SEQUENCE };
  return area as unknown as FastCommitArea;
}

function inodeTags(count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    const inode = Buffer.alloc(128);
    inode.writeUInt16LE(0o100644, 0);
    inode.writeUInt16LE(1, 26);
    return tag(TAG.INODE, Buffer.concat([numbers(100 + index), inode]));
  });
}

/** A volume with inodes of 64 KiB. */
const VOLUME = {
  superblock: { hasChecksums: false },
  inodes: { bytes: () => Buffer.alloc(65_536) },
} as unknown as Volume;

t.test('only the changes of whole commits count', async (t) => {
  const broken = areaOf([inodeTags(3), inodeTags(2), inodeTags(1)], (block) => {
    block[30] = 77;
  });
  const kinds: number[] = [];
  for await (const { kind } of fastCommitTags(broken)) kinds.push(kind);
  t.same(kinds, new Array(5).fill(TAG.INODE));
  const none: number[] = [];
  for await (const { kind } of fastCommitTags(areaOf([]))) none.push(kind);
  t.same(none, []);
});

t.test('what fast commits change is kept within a bound', async (t) => {
  const few = await replayFastCommits(VOLUME, areaOf([inodeTags(10)]));
  t.ok((few?.memoryBytes ?? 0) > 10 * 65_536);
  t.equal(few?.inode(105)?.readUInt16LE(26), 1);
  const many = Array.from({ length: 4 }, (_, index) => inodeTags(1200).slice(index * 300, index * 300 + 300));
  await t.rejects(replayFastCommits(VOLUME, areaOf(many)), {
    code: 'FILESYSTEM_DAMAGED',
    message: /more than can be kept/,
  });
});

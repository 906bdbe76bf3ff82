import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { BLOCK_BYTES, REGION_BYTES } from '../../../src/codec/formats.js';
import { check, unpack, write } from '../../../src/workers/frames.js';
import type { WriteRequest } from '../../../src/workers/messages.js';
import { packedRegion, withDamage } from '../../kit/packed-region.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { changedVolume, differingBlocks, randomVolume } from '../../kit/volumes.js';

const OFFSET = 3 * BLOCK_BYTES;

/** A file with `before` from {@link OFFSET} on, written to; what is then there. */
function written(
  t: Test,
  before: Buffer,
  request: Omit<WriteRequest, 'op' | 'fd' | 'offset'>,
): { content: Buffer; reply: ReturnType<typeof write> } {
  const file = path.join(temporaryDirectory(t), 'target');
  writeFileSync(file, Buffer.concat([Buffer.alloc(OFFSET, 0xaa), before]));
  const fd = openSync(file, 'r+');
  try {
    const reply = write({ op: 'write', fd, offset: OFFSET, ...request });
    // As a restore does at its end.
    if (fstatSync(fd).size < OFFSET + request.length) ftruncateSync(fd, OFFSET + request.length);
    const content = readFileSync(file);
    t.ok(content.subarray(0, OFFSET).equals(Buffer.alloc(OFFSET, 0xaa)), 'nothing is written before the region');
    return { content: content.subarray(OFFSET), reply };
  } finally {
    closeSync(fd);
  }
}

t.test('check says which chunks are damaged, and why', (t) => {
  const packed = packedRegion(new Random(1).bytes(REGION_BYTES));
  t.same(check(packed), { faults: [] });
  t.same(check(withDamage(packed, 2)), { faults: [{ index: 2, reason: 'the checksum is wrong' }] });
  const missing = { ...packed, frames: packed.frames.map((frame, index) => (index === 0 ? new Uint8Array() : frame)) };
  t.same(check(missing), { faults: [{ index: 0, reason: 'the record is too short' }] });
  const swapped = { ...packed, frames: packed.frames.toReversed() };
  t.equal(check(swapped).faults[0]?.reason, 'another object stands in its place');
  t.end();
});

t.test('unpack puts chunks in their places, and zeros between and behind them', (t) => {
  const random = new Random(testSeed(t));
  const region = new SharedArrayBuffer(REGION_BYTES);
  for (const length of [REGION_BYTES, 1_234_567, 1, 0]) {
    const content = randomVolume(random, length);
    Buffer.from(region).fill(0xee);
    t.same(unpack({ op: 'unpack', region, ...packedRegion(content) }), { faults: [] });
    t.ok(Buffer.from(region).subarray(0, length).equals(content), `${length} bytes`);
    t.ok(
      Buffer.from(region)
        .subarray(length)
        .every((byte) => byte === 0),
    );
  }
  t.end();
});

t.test('unpack makes only the parts right that are wanted', (t) => {
  const content = Buffer.alloc(REGION_BYTES);
  content.set(new Random(testSeed(t)).bytes(10 * BLOCK_BYTES), 3 * BLOCK_BYTES);
  const region = new SharedArrayBuffer(REGION_BYTES);
  const bytes = Buffer.from(region).fill(0xee);
  t.same(unpack({ op: 'unpack', region, ...packedRegion(content), spans: [2, 20, 30, 31] }), { faults: [] });
  for (const [first, end] of [
    [2, 20],
    [30, 31],
  ] as const) {
    const part = [first * BLOCK_BYTES, end * BLOCK_BYTES] as const;
    t.ok(bytes.subarray(...part).equals(content.subarray(...part)), `blocks from ${first}`);
  }
  t.equal(bytes[21 * BLOCK_BYTES], 0xee, 'nothing is done elsewhere');
  t.end();
});

t.test('a chunk of another length than its place is a fault', (t) => {
  const packed = packedRegion(new Random(1).bytes(64 * BLOCK_BYTES));
  const [first = 0, blocks = 0, ...rest] = packed.blocks;
  const region = new SharedArrayBuffer(REGION_BYTES);
  const longer = unpack({ op: 'unpack', region, ...packed, blocks: [first, blocks - 1, ...rest] });
  t.match(longer.faults, [{ index: 0, reason: /more than its place/ }]);
  const frames = packed.frames.slice(0, 1);
  const shorter = unpack({
    op: 'unpack',
    region,
    frames,
    digests: packed.digests.subarray(0, 32),
    blocks: [first, blocks + 1],
  });
  t.match(shorter.faults, [{ index: 0, reason: /not \d+ blocks/ }]);
  t.end();
});

t.test('write without comparing: the chunks, cut off at the end of the volume', (t) => {
  const random = new Random(testSeed(t));
  for (const length of [REGION_BYTES, 999_999, 4097, 5]) {
    const content = randomVolume(random, length);
    content[length - 1] = 1;
    const packed = packedRegion(content);
    const { content: after, reply } = written(t, Buffer.alloc(0), { ...packed, length, compare: false, punch: false });
    t.ok(after.equals(content), `${length} bytes`);
    const blocks = differingBlocks(Buffer.alloc(0), content, length);
    t.match(reply, { faults: [], writtenBlocks: blocks.length, comparedBytes: 0 });
    t.equal(
      reply.writtenBytes,
      blocks.reduce((sum, block) => sum + Math.min(BLOCK_BYTES, length - block * BLOCK_BYTES), 0),
    );
  }
  t.end();
});

t.test('write with comparing: only blocks that differ, whatever was there', (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 24; round++) {
    const length = random.chance(0.3) ? REGION_BYTES : random.between(1, 2_000_000);
    const content = randomVolume(random, length);
    const there = changedVolume(random, content).subarray(0, random.chance(0.5) ? length : random.below(length + 1));
    const punch = random.chance(0.5);
    const { content: after, reply } = written(t, there, { ...packedRegion(content), length, compare: true, punch });
    if (!after.equals(content)) t.fail(`round ${round}: other bytes`);
    t.same(reply.faults, []);
    t.equal(reply.comparedBytes, length);
    const differing = differingBlocks(there, content, length).length;
    // A last block that is there in part is written again, for what lies behind it need not be zeros.
    t.ok(
      reply.writtenBlocks === differing || reply.writtenBlocks === differing + 1,
      `${reply.writtenBlocks} of ${differing} blocks`,
    );
    if (there.length === length) t.equal(reply.writtenBlocks, differing);
    const again = written(t, after, { ...packedRegion(content), length, compare: true, punch });
    t.match(again.reply, { writtenBytes: 0, writtenBlocks: 0 });
  }
  t.end();
});

t.test('what lies behind the region is left alone', (t) => {
  const content = Buffer.alloc(10 * BLOCK_BYTES);
  const there = Buffer.alloc(20 * BLOCK_BYTES, 0x55);
  for (const punch of [true, false]) {
    const { content: after } = written(t, there, {
      ...packedRegion(content),
      length: 10 * BLOCK_BYTES - 7,
      compare: true,
      punch,
    });
    t.ok(after.subarray(0, 10 * BLOCK_BYTES - 7).every((byte) => byte === 0));
    t.ok(after.subarray(10 * BLOCK_BYTES - 7).every((byte) => byte === 0x55));
  }
  t.end();
});

t.test('damaged chunks leave what is there, and everything else is written', (t) => {
  const random = new Random(testSeed(t));
  const content = random.bytes(100 * BLOCK_BYTES);
  const packed = packedRegion(content);
  const damaged = withDamage(packed, 1);
  const [start, end] = [
    (packed.blocks[2] ?? 0) * BLOCK_BYTES,
    ((packed.blocks[2] ?? 0) + (packed.blocks[3] ?? 0)) * BLOCK_BYTES,
  ];
  const there = Buffer.alloc(content.length, 0x33);
  for (const compare of [true, false]) {
    const { content: after, reply } = written(t, there, { ...damaged, length: content.length, compare, punch: true });
    t.match(reply.faults, [{ index: 1, reason: 'the checksum is wrong' }]);
    t.ok(after.subarray(0, start).equals(content.subarray(0, start)));
    t.ok(after.subarray(start, end).every((byte) => byte === 0x33));
    t.ok(after.subarray(end).equals(content.subarray(end)));
  }
  t.end();
});

t.test('errors of the file come as they are', (t) => {
  const packed = packedRegion(Buffer.alloc(BLOCK_BYTES, 1));
  const request = { op: 'write', fd: 9999, offset: 0, length: BLOCK_BYTES, punch: false, ...packed } as const;
  for (const compare of [true, false]) t.throws(() => write({ ...request, compare }), { code: 'EBADF' });
  t.end();
});

import { closeSync, openSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { makeCompressor } from '../../../src/codec/compression.js';
import { digestOf } from '../../../src/codec/digest.js';
import { BLOCK_BYTES, FRAME, ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import { decodeFrame } from '../../../src/codec/frame.js';
import { decodeLeaf } from '../../../src/tree/node.js';
import { cut, pack, ShortReadError } from '../../../src/workers/regions.js';
import { RegionSlots } from '../../../src/workers/region-slots.js';
import { Random, testSeed } from '../../kit/random.js';
import { dataExtents } from '../../kit/fake-image.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { randomVolume } from '../../kit/volumes.js';
import { WORKER_SETTINGS } from '../../kit/worker-settings.js';

const { cutting, compression } = WORKER_SETTINGS;

function sharedRegion(content?: Uint8Array): SharedArrayBuffer {
  const region = new SharedArrayBuffer(REGION_BYTES);
  Buffer.from(region).fill(0xee);
  if (content !== undefined) Buffer.from(region).set(content);
  return region;
}

t.test('the leaf of a filled region names its blocks, the last one continued with zeros', (t) => {
  const random = new Random(testSeed(t));
  for (const length of [REGION_BYTES, 100_001, 4096, 1]) {
    const content = randomVolume(random, length);
    content[length - 1] = 1;
    const padded = Buffer.alloc(REGION_BYTES);
    content.copy(padded);
    const reply = cut({ op: 'cut', region: sharedRegion(content), length, from: undefined }, cutting);
    t.same(reply.leafDigest, digestOf(reply.leaf));
    const chunks = decodeLeaf(Buffer.from(reply.leaf));
    for (const { firstBlock, blocks, digest } of chunks) {
      const plain = padded.subarray(firstBlock * BLOCK_BYTES, (firstBlock + blocks) * BLOCK_BYTES);
      if (!Buffer.from(digest).equals(digestOf(plain))) t.fail(`chunk at block ${firstBlock}`);
    }
    const blocks = Array.from({ length: 1024 }, (_, block) =>
      padded.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES),
    );
    t.equal(reply.dataBlocks, blocks.filter((block) => block.some((byte) => byte !== 0)).length);
    t.equal(
      chunks.reduce((sum, chunk) => sum + chunk.blocks, 0),
      reply.dataBlocks,
    );
  }
  t.end();
});

t.test('a hole has no chunks', (t) => {
  const reply = cut({ op: 'cut', region: sharedRegion(Buffer.alloc(5000)), length: 5000, from: undefined }, cutting);
  t.equal(reply.dataBlocks, 0);
  t.same(decodeLeaf(Buffer.from(reply.leaf)), []);
  t.end();
});

t.test('a region is read from a file by its extents, and what lies between them is zeros', (t) => {
  const random = new Random(testSeed(t));
  const offset = 2 * REGION_BYTES;
  for (const length of [REGION_BYTES, 777_777]) {
    const content = randomVolume(random, length);
    const extents = dataExtents(content).flatMap((extent) => [extent.offset, extent.length]);
    const file = path.join(temporaryDirectory(t), 'image');
    // Between the extents the file holds what must not be read.
    const trap = Buffer.alloc(length, 0xee);
    for (let index = 0; index < extents.length; index += 2) {
      const start = extents[index] ?? 0;
      content.copy(trap, start, start, start + (extents[index + 1] ?? 0));
    }
    writeFileSync(file, Buffer.concat([Buffer.alloc(offset), trap]));
    const fd = openSync(file, 'r');
    const region = sharedRegion();
    const read = cut({ op: 'cut', region, length, from: { fd, offset, extents } }, cutting);
    const filled = cut({ op: 'cut', region: sharedRegion(content), length, from: undefined }, cutting);
    t.same(read.leafDigest, filled.leafDigest);
    t.ok(Buffer.from(region).subarray(0, length).equals(content));
    const short = { fd, offset: offset + 5000, extents: [0, length] };
    t.throws(() => cut({ op: 'cut', region, length, from: short }, cutting), ShortReadError);
    closeSync(fd);
    t.throws(() => cut({ op: 'cut', region, length, from: short }, cutting), { code: 'EBADF' });
  }
  t.end();
});

t.test('chunks are packed one behind the other, whatever of them shrinks', async (t) => {
  const random = new Random(testSeed(t));
  const slot = await new RegionSlots(1).take();
  for (const codec of [compression, { codec: 'lz4', level: 1 } as const]) {
    for (const content of [
      random.bytes(REGION_BYTES),
      Buffer.alloc(REGION_BYTES, 'x'),
      randomVolume(random, REGION_BYTES),
    ]) {
      Buffer.from(slot.region).set(content);
      // The worst case for room: every block is a chunk.
      const blocks = [...Array(1024).keys()];
      const digests = Buffer.concat(
        blocks.map((block) => digestOf(content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES))),
      );
      const chunks = blocks.flatMap((block) => [block, 1]);
      const { lengths } = pack({ op: 'pack', ...slot, chunks, digests }, makeCompressor(codec));
      let at = 0;
      for (const [block, length] of lengths.entries()) {
        const frame = Buffer.from(slot.frames).subarray(at, (at += length));
        const digest = digests.subarray(block * 32, (block + 1) * 32);
        const plain = decodeFrame(frame, { type: ObjectType.chunk, digest });
        if (!plain.equals(content.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES))) t.fail(`block ${block}`);
        if (length > BLOCK_BYTES + FRAME.headerBytes) t.fail(`frame of ${length} bytes`);
      }
      t.equal(lengths.length, 1024);
    }
  }
});

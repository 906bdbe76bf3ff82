import t from 'tap';

import { REGION_BYTES } from '../../../src/codec/formats.js';
import { readChunkBatch, unpackRegion } from '../../../src/tree/chunk-batch.js';
import type { ChunkRef } from '../../../src/tree/node.js';
import { TreeReader } from '../../../src/tree/tree-reader.js';
import { openMemoryStore, type MemoryStore } from '../../kit/memory-store.js';
import { Random, testSeed } from '../../kit/random.js';
import { randomVolume } from '../../kit/volumes.js';

async function backUpRegion(memory: MemoryStore, content: Buffer): Promise<ChunkRef[]> {
  const { volumes } = await memory.backUp({ vda: content });
  const [volume] = volumes;
  return volume === undefined ? [] : new TreeReader(memory.store.reader, volume).chunks(0);
}

t.test('a region is decoded into place', async (t) => {
  const random = new Random(testSeed(t));
  const memory = await openMemoryStore(t);
  const content = randomVolume(random, REGION_BYTES);
  const chunks = await backUpRegion(memory, content);
  const region = new SharedArrayBuffer(REGION_BYTES);
  Buffer.from(region).fill(0xff);
  await unpackRegion(memory.store.reader, memory.pool, chunks, { region });
  t.ok(Buffer.from(region).equals(content));
  await unpackRegion(memory.store.reader, memory.pool, [], { region });
  t.ok(Buffer.from(region).equals(Buffer.alloc(REGION_BYTES)), 'what no chunk covers becomes zeros');
});

t.test('missing chunks have a place in the batch, and fail', async (t) => {
  const memory = await openMemoryStore(t);
  const chunks = await backUpRegion(memory, Buffer.from('content'));
  const [chunk] = chunks;
  const lost: ChunkRef = { firstBlock: 5, blocks: 2, digest: new Uint8Array(32).fill(9) };
  const batch = await readChunkBatch(memory.store.reader, [...chunks, lost]);
  t.same(batch.blocks, [0, 1, 5, 2]);
  t.same([...batch.missing.keys()], [1]);
  t.equal(batch.frames[1]?.length, 0);
  t.same(batch.digests, Buffer.concat([chunk?.digest ?? Buffer.alloc(0), lost.digest]));
  const region = new SharedArrayBuffer(REGION_BYTES);
  const unpacked = unpackRegion(memory.store.reader, memory.pool, [lost], { region });
  await t.rejects(unpacked, {
    code: 'STORE_DAMAGED',
    message: /chunk (09){32} cannot be read: it is not in the index/,
  });
});

t.test('a chunk of another length than its leaf says', async (t) => {
  const memory = await openMemoryStore(t);
  const [chunk] = await backUpRegion(memory, Buffer.from('content'));
  if (chunk === undefined) throw new RangeError('no chunk');
  const region = new SharedArrayBuffer(REGION_BYTES);
  const unpacked = unpackRegion(memory.store.reader, memory.pool, [{ ...chunk, blocks: 2 }], { region });
  await t.rejects(unpacked, { code: 'STORE_DAMAGED', message: /4096 bytes, not 2 blocks/ });
});

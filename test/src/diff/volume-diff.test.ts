import t from 'tap';

import type { RangeList } from '../../../src/diff/range-list.js';
import { diffVolumes } from '../../../src/diff/volume-diff.js';
import type { ByteRange } from '../../../src/protocol/api.js';
import type { ShadowCopyRecord } from '../../../src/store/records.js';
import { openMemoryStore, type MemoryStore } from '../../kit/memory-store.js';
import { Random, testSeed } from '../../kit/random.js';
import { changedVolume, differingBlocks, randomVolume } from '../../kit/volumes.js';

const MIB = 1024 * 1024;
const BLOCK_BYTES = 4096;

/** Compare the first volumes of two shadow copies. */
function diff(
  { store, pool }: MemoryStore,
  a: ShadowCopyRecord,
  b: ShadowCopyRecord,
  exact = false,
): Promise<RangeList> {
  const [[from], [to]] = [a.volumes, b.volumes];
  if (from === undefined || to === undefined) throw new RangeError('no volume');
  const { signal } = new AbortController();
  return diffVolumes({ reader: store.reader, pool, from, to, exact, signal, onPassed: () => undefined });
}

t.test('random changes, exact and not', async (t) => {
  const random = new Random(testSeed(t));
  const memory = await openMemoryStore(t);
  let volume = randomVolume(random, 9 * MIB + 77);
  let before = await memory.backUp({ vda: volume });
  for (let round = 0; round < 6; round++) {
    const sizeBytes = random.chance(0.5) ? volume.length : random.between(1, 14 * MIB);
    const next = changedVolume(random, volume, sizeBytes);
    const after = await memory.backUp({ vda: next });
    const end = Math.max(volume.length, next.length);
    const blocks = differingBlocks(volume, next, end);

    const exact = await diff(memory, before, after, true);
    t.same(exact.ranges, rangesOf(blocks, end), `exactly the ${blocks.length} blocks that differ`);
    t.equal(exact.bytes, bytesIn(exact.ranges));

    const coarse = await diff(memory, before, after);
    t.ok(
      exact.ranges.every((range) => isCovered(range, coarse.ranges)),
      'without reading, no block is missed',
    );
    t.ok(wellFormed(coarse.ranges, end), 'ranges are in order, apart, and in the volume');
    t.ok(coarse.bytes <= bytesIn(exact.ranges) + chunkRoom(exact.ranges), 'and it is at most chunks more');

    const back = await diff(memory, after, before);
    t.same(back.ranges, coarse.ranges, 'the other way round it is the same');
    [volume, before] = [next, after];
  }
});

t.test('without exact no chunk is read', async (t) => {
  const memory = await openMemoryStore(t);
  const random = new Random(testSeed(t));
  const volume = random.bytes(5 * MIB);
  const a = await memory.backUp({ vda: volume });
  const b = await memory.backUp({
    vda: changedVolume(random, Buffer.from(volume.map((byte, at) => (at === 0 ? byte ^ 1 : byte)))),
  });
  for await (const [key, value] of memory.objects.entries()) {
    if (value.length > 5_000) await memory.objects.write([{ type: 'del', key }], { sync: false });
  }
  t.ok((await diff(memory, a, b)).bytes > 0);
  await t.rejects(diff(memory, a, b, true), { code: 'STORE_DAMAGED' });
});

t.test('the tail counts in bytes', async (t) => {
  const memory = await openMemoryStore(t);
  const a = await memory.backUp({ vda: Buffer.alloc(BLOCK_BYTES + 10) });
  const b = await memory.backUp({ vda: Buffer.alloc(BLOCK_BYTES + 10, 1).fill(0, 0, BLOCK_BYTES) });
  t.same((await diff(memory, a, b)).ranges, [{ offset: BLOCK_BYTES, length: 10 }]);
});

function rangesOf(blocks: readonly number[], sizeBytes: number): ByteRange[] {
  const ranges: { offset: number; length: number }[] = [];
  for (const block of blocks) {
    const offset = block * BLOCK_BYTES;
    const length = Math.min(BLOCK_BYTES, sizeBytes - offset);
    const last = ranges.at(-1);
    if (last !== undefined && last.offset + last.length === offset) last.length += length;
    else ranges.push({ offset, length });
  }
  return ranges;
}

function isCovered({ offset, length }: ByteRange, by: readonly ByteRange[]): boolean {
  return by.some((range) => range.offset <= offset && range.offset + range.length >= offset + length);
}

function wellFormed(ranges: readonly ByteRange[], sizeBytes: number): boolean {
  return ranges.every(({ offset, length }, index) => {
    const next = ranges[index + 1]?.offset ?? Infinity;
    return length > 0 && offset % BLOCK_BYTES === 0 && offset + length < next && offset + length <= sizeBytes;
  });
}

function bytesIn(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

/** A difference may pull in all of the chunks at its two ends, and those behind that were cut anew. */
function chunkRoom(ranges: readonly ByteRange[]): number {
  return ranges.length * 4 * 256 * 1024;
}

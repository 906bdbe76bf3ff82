import t from 'tap';

import { diffShadowCopies } from '../../../src/diff/diff-shadow-copies.js';
import type { ByteRange, DiffRequest, DiffResult } from '../../../src/protocol/api.js';
import { openMemoryStore, type MemoryStore } from '../../kit/memory-store.js';
import { Random, testSeed } from '../../kit/random.js';
import { changedVolume, differingBlocks, randomVolume } from '../../kit/volumes.js';

const MIB = 1024 * 1024;
const BLOCK_BYTES = 4096;

function diff({ store, pool }: MemoryStore, from: string, to: string, options: Partial<DiffRequest> = {}): Promise<DiffResult> {
  const request = { machine: 'm1', from, toMachine: 'm1', to, exact: false, ...options };
  return diffShadowCopies({ store, pool, request, signal: new AbortController().signal, progress: () => undefined });
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

    const exact = onlyVolume(await diff(memory, before.name, after.name, { exact: true }));
    t.same(exact.ranges, rangesOf(blocks, end), `exactly the ${blocks.length} blocks that differ`);
    t.equal(exact.changedBytes, bytesIn(exact.ranges));
    t.equal(exact.change, blocks.length > 0 || volume.length !== next.length ? 'changed' : 'same');
    t.match(exact, { fromBytes: volume.length, toBytes: next.length });

    const coarse = onlyVolume(await diff(memory, before.name, after.name));
    t.ok(exact.ranges.every((range) => isCovered(range, coarse.ranges)), 'without reading, no block is missed');
    t.ok(wellFormed(coarse.ranges, end), 'ranges are in order, apart, and in the volume');
    t.ok(coarse.changedBytes <= bytesIn(exact.ranges) + chunkRoom(exact.ranges), 'and it is at most chunks more');

    const back = onlyVolume(await diff(memory, after.name, before.name));
    t.same(back.ranges, coarse.ranges, 'the other way round it is the same');
    [volume, before] = [next, after];
  }
});

t.test('without exact no chunk is read', async (t) => {
  const memory = await openMemoryStore(t);
  const random = new Random(testSeed(t));
  const volume = random.bytes(5 * MIB);
  const a = await memory.backUp({ vda: volume });
  const b = await memory.backUp({ vda: changedVolume(random, Buffer.from(volume.map((byte, at) => (at === 0 ? byte ^ 1 : byte)))) });
  for await (const [key, value] of memory.objects.entries()) {
    if (value.length > 40_000) await memory.objects.write([{ type: 'del', key }], { sync: false });
  }
  t.equal(onlyVolume(await diff(memory, a.name, b.name)).change, 'changed');
  await t.rejects(diff(memory, a.name, b.name, { exact: true }), { code: 'STORE_DAMAGED' });
  t.equal(memory.store.leases.listings().length, 0);
});

t.test('volumes that come, go and stay; other machines', async (t) => {
  const memory = await openMemoryStore(t);
  const data = Buffer.alloc(3 * BLOCK_BYTES);
  data.fill(1, BLOCK_BYTES, BLOCK_BYTES + 1);
  const a = await memory.backUp({ vda: data, vdb: data, vdd: data });
  const b = await memory.backUp({ vda: data, vdc: data, vdd: Buffer.concat([data, Buffer.alloc(9)]) }, { machine: 'm2' });
  const { from, to, volumes } = await diff(memory, 'latest', 'latest', { toMachine: 'm2' });
  const ranges = [{ offset: BLOCK_BYTES, length: BLOCK_BYTES }];
  const size = data.length;
  t.same([from, to], [`m1@${a.name}`, `m2@${b.name}`]);
  t.same(volumes, [
    { name: 'vda', change: 'same', fromBytes: size, toBytes: size, changedBytes: 0, ranges: [] },
    { name: 'vdb', change: 'removed', fromBytes: size, changedBytes: BLOCK_BYTES, ranges },
    { name: 'vdd', change: 'changed', fromBytes: size, toBytes: size + 9, changedBytes: 0, ranges: [] },
    { name: 'vdc', change: 'added', toBytes: size, changedBytes: BLOCK_BYTES, ranges },
  ]);
  await t.rejects(diff(memory, 'latest', 'latest', { toMachine: 'm3' }), { code: 'NOT_FOUND' });
});

t.test('the tail counts in bytes', async (t) => {
  const memory = await openMemoryStore(t);
  const a = await memory.backUp({ vda: Buffer.alloc(BLOCK_BYTES + 10) });
  const b = await memory.backUp({ vda: Buffer.alloc(BLOCK_BYTES + 10, 1).fill(0, 0, BLOCK_BYTES) });
  t.same(onlyVolume(await diff(memory, a.name, b.name)).ranges, [{ offset: BLOCK_BYTES, length: 10 }]);
});

t.test('it can be cancelled', async (t) => {
  const { store, pool, backUp } = await openMemoryStore(t);
  await backUp({ vda: Buffer.from('a') });
  await backUp({ vda: Buffer.from('b') }, { machine: 'm2' });
  const request = { machine: 'm1', from: 'latest', toMachine: 'm2', to: 'latest', exact: true };
  const signal = AbortSignal.abort(new DOMException('enough', 'AbortError'));
  await t.rejects(diffShadowCopies({ store, pool, request, signal, progress: () => undefined }), { message: 'enough' });
});

function onlyVolume(result: DiffResult): DiffResult['volumes'][number] {
  const [volume] = result.volumes;
  if (volume === undefined) throw new RangeError('no volume');
  return volume;
}

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

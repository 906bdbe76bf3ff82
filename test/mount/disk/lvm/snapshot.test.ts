import t from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { readSnapshot } from '../../../../mount/disk/lvm/snapshot.js';
import { Probe } from '../../../../mount/disk/probe.js';
import { writeSnapshotStore } from '../../../kit/disk/snapshot-store.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { Random, testSeed } from '../../../kit/random.js';

const CHUNK_BYTES = 512;

async function snapshotOf(store: Buffer, origin: Buffer): Promise<Buffer> {
  const cache = new BlockCache(1024 * 1024);
  const source = await readSnapshot(new Probe(memorySource(store), cache), memorySource(origin));
  const bytes = Buffer.alloc(source.sizeBytes);
  await source.read(bytes, 0);
  return bytes;
}

t.test('what changed stands in the store, in several areas of it', async (t) => {
  const random = new Random(testSeed(t));
  const origin = random.bytes(200 * CHUNK_BYTES);
  const expected = Buffer.from(origin);
  const store = Buffer.alloc(120 * CHUNK_BYTES);
  const changed = Array.from({ length: 200 }, (_, chunk) => chunk)
    .sort(() => random.below(3) - 1)
    .slice(0, 90);
  const chunks = changed.map((chunk) => [chunk, random.bytes(CHUNK_BYTES)] as const);
  for (const [chunk, bytes] of chunks) bytes.copy(expected, chunk * CHUNK_BYTES);
  writeSnapshotStore(store, CHUNK_BYTES, chunks);
  t.ok((await snapshotOf(store, origin)).equals(expected));
  writeSnapshotStore(store, CHUNK_BYTES, []);
  t.ok((await snapshotOf(store, origin)).equals(origin), 'nothing changed yet');
  const full = store.subarray(0, 34 * CHUNK_BYTES);
  writeSnapshotStore(full, CHUNK_BYTES, chunks.slice(0, 32));
  const first = Buffer.from(origin);
  for (const [chunk, bytes] of chunks.slice(0, 32)) bytes.copy(first, chunk * CHUNK_BYTES);
  t.ok((await snapshotOf(full, origin)).equals(first), 'a store that has no room left');
});

t.test('stores that can not be read', async (t) => {
  const read = async (change: (store: Buffer) => void): Promise<unknown> => {
    const store = Buffer.alloc(8 * CHUNK_BYTES);
    writeSnapshotStore(store, CHUNK_BYTES, [[1, Buffer.alloc(CHUNK_BYTES)]]);
    change(store);
    return await snapshotOf(store, Buffer.alloc(4 * CHUNK_BYTES));
  };
  const damaged = (message: RegExp): { code: string; message: RegExp } => ({ code: 'FILESYSTEM_DAMAGED', message });
  await t.rejects(
    read((store) => store.fill(0, 0, 4)),
    damaged(/its header is gone/),
  );
  await t.rejects(
    read((store) => store.writeUInt32LE(2, 8)),
    damaged(/its header makes no sense/),
  );
  await t.rejects(
    read((store) => store.writeUInt32LE(0, 12)),
    damaged(/its header makes no sense/),
  );
  await t.rejects(
    read((store) => store.writeUInt32LE(4096, 12)),
    damaged(/its header makes no sense/),
  );
  await t.rejects(
    read((store) => store.writeUInt32LE(8, CHUNK_BYTES + 8)),
    damaged(/lies outside of its store/),
  );
  await t.rejects(
    read((store) => store.writeUInt8(1, CHUNK_BYTES + 7)),
    damaged(/lies outside of its store/),
  );
  await t.rejects(
    read((store) => store.writeUInt32LE(0, 4)),
    {
      code: 'FILESYSTEM_UNREADABLE',
      message: /its store ran full/,
      hint: /Its origin is shown beside it/,
    },
  );
  await t.rejects(snapshotOf(Buffer.alloc(8), Buffer.alloc(8)), damaged(/its header is gone/));
});

import t from 'tap';
import { Footprint } from '../../../src/files/footprint.js';
import { VolumeChanges } from '../../../src/files/volume-changes.js';
import { openMemoryStore } from '../../kit/memory-store.js';
import { Random } from '../../kit/random.js';

const MIB = 1024 * 1024;
const BLOCK_BYTES = 4096;

t.test('changes are known by the block or by the chunk', async (t) => {
  const { store, backUp } = await openMemoryStore(t);
  const random = new Random(5);
  const before = random.bytes(13 * MIB);
  const after = Buffer.from(before);
  after.fill(0, 5 * MIB, 5 * MIB + BLOCK_BYTES);
  after[9 * MIB] = (after[9 * MIB] ?? 0) ^ 1;
  const signal = new AbortController().signal;
  const one = await backUp({ vda: before, vdb: before });
  const two = await backUp({ vda: after, vdb: before });
  const changes = await VolumeChanges.between(store.reader, one.volumes, two.volumes, signal);
  t.notOk(changes.isEmpty);
  t.notOk(changes.isResized);
  for (let offset = 0; offset < before.length; offset += BLOCK_BYTES) {
    const [a, b] = [before, after].map((bytes) => bytes.subarray(offset, offset + BLOCK_BYTES));
    const differs = a !== undefined && b !== undefined && !a.equals(b);
    if (differs && !changes.touches({ volume: 'vda', offset: offset + 100, length: 1 })) t.fail(`missed ${offset}`);
  }
  t.notOk(changes.touches({ volume: 'vda', offset: 0, length: 4 * MIB }));
  t.ok(changes.touches({ volume: 'vda', offset: 0, length: 6 * MIB }));
  t.notOk(changes.touches({ volume: 'vdb', offset: 0, length: 13 * MIB }));
  t.ok(changes.touches({ volume: 'vdz', offset: 0, length: 1 }), 'of a volume that is not known');
  t.ok(changes.touches({ offset: 0, length: 1 }), 'of bytes that are in none');

  const footprint = new Footprint();
  t.notOk(footprint.isTouchedBy(changes));
  footprint.add({ volume: 'vda', offset: 100, length: 3 * MIB });
  footprint.add({ volume: 'vda', offset: 7 * MIB, length: 10 });
  footprint.add({ volume: 'vda', offset: 0, length: 0 });
  t.notOk(footprint.isTouchedBy(changes));
  footprint.add({ volume: 'vda', offset: 9 * MIB - 1, length: 2 });
  t.ok(footprint.isTouchedBy(changes));
  const same = await VolumeChanges.between(store.reader, one.volumes, one.volumes, signal);
  t.ok(same.isEmpty);
  t.notOk(footprint.isTouchedBy(same));
  footprint.add({ offset: 0, length: 1 });
  t.ok(footprint.isTouchedBy(same), 'nobody knows of what stood in no volume');
});

t.test('volumes that come, go and grow', async (t) => {
  const { store, backUp } = await openMemoryStore(t);
  const signal = new AbortController().signal;
  const one = await backUp({ vda: Buffer.alloc(MIB, 1) });
  const two = await backUp({ vda: Buffer.alloc(2 * MIB, 1) });
  const none = await backUp({});
  t.ok((await VolumeChanges.between(store.reader, one.volumes, two.volumes, signal)).isResized);
  const gone = await VolumeChanges.between(store.reader, two.volumes, none.volumes, signal);
  t.ok(gone.isResized);
  t.ok(gone.touches({ volume: 'vda', offset: 0, length: 1 }));
});

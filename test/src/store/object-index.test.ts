import t from 'tap';

import { ObjectType } from '../../../src/codec/formats.js';
import { putEntry } from '../../../src/store/index-entries.js';
import { digestKey, quarantineKey, sequenceKey } from '../../../src/store/keys.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import {
  findSequences,
  highestIndexed,
  indexedDigests,
  indexEntries,
  quarantined,
  quarantineOperations,
} from '../../../src/store/object-index.js';

const digest = (byte: number): Buffer => Buffer.alloc(32, byte);
const entry = (sequence: number, type: ObjectType = ObjectType.chunk): Parameters<typeof putEntry>[0] => ({
  sequence,
  type,
  digest: digest(sequence),
  plainBytes: 2,
  storedBytes: 3,
});

t.test('finds objects, one by one and all of them, past damaged entries', async (t) => {
  const meta = openMemoryKv();
  t.equal(await highestIndexed(meta), -1);
  await meta.write(
    [1, 2, 5].flatMap((sequence) => putEntry(entry(sequence))),
    { sync: true },
  );
  await meta.write(putEntry(entry(7, ObjectType.record)), { sync: true });
  t.same(await findSequences(meta, ObjectType.chunk, [digest(5), digest(9), digest(1), digest(7)]), [
    5,
    undefined,
    1,
    undefined,
  ]);
  t.equal(await highestIndexed(meta), 7);
  const value = Buffer.from('damaged');
  const odd = Buffer.concat([sequenceKey(5), Buffer.of(0)]);
  const keys = [digestKey(ObjectType.chunk, digest(1)), sequenceKey(2), odd, Buffer.from('d\u0001short')];
  await meta.write(
    keys.map((key) => ({ type: 'put', key, value })),
    { sync: true },
  );
  t.same(await findSequences(meta, ObjectType.chunk, [digest(1)]), [undefined]);
  const all: (readonly [number | undefined, number | undefined])[] = [];
  for await (const each of indexEntries(meta)) all.push([each.sequence, each.entry?.sequence]);
  t.same(all, [
    [1, 1],
    [2, undefined],
    [5, 5],
    [undefined, undefined],
    [7, 7],
  ]);
  const chunks: string[] = [];
  for await (const each of indexedDigests(meta, ObjectType.chunk)) chunks.push(Buffer.from(each).toString('hex', 0, 1));
  t.same(chunks, ['01', '02', '05']);
});

t.test('quarantine', async (t) => {
  const meta = openMemoryKv();
  await meta.write(putEntry(entry(1)), { sync: true });
  await meta.write(quarantineOperations({ ...entry(1), reason: 'a flipped bit', timeMs: 8 }), { sync: true });
  t.same(await findSequences(meta, ObjectType.chunk, [digest(1)]), [undefined]);
  await meta.write([{ type: 'put', key: quarantineKey(ObjectType.leaf, digest(2)), value: Buffer.from('damaged') }], {
    sync: true,
  });
  const found: unknown[] = [];
  for await (const { type, reason, timeMs } of quarantined(meta)) found.push([type, reason, timeMs]);
  t.same(found, [
    [1, 'a flipped bit', 8],
    [2, 'unknown', 0],
  ]);
});

import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { compactRange, CompactRanges } from '../../../src/store/compact-range.js';
import { objectKey, sequenceOfObjectKey } from '../../../src/store/keys.js';
import { Random, testSeed } from '../../kit/random.js';
import { memoryDatabases, backUp, openTestStore } from '../../kit/test-store.js';
import { kvWith } from '../../kit/kv-with.js';
import { QUIET } from '../../kit/store-model.js';

const MIB = 1024 ** 2;

t.test('what lies close together is one range, and has its runs', async (t) => {
  const ranges = new CompactRanges();
  ranges.noteLive(5);
  for (const sequence of [3, 4]) ranges.noteDeleted(sequence, 10);
  ranges.noteLive(MIB / 2);
  ranges.noteDeleted(6, 10);
  ranges.noteLive(30 * MIB);
  ranges.noteDeleted(9, 99);
  ranges.noteLive(65 * MIB);
  ranges.noteDeleted(20, 1);
  t.same(ranges.all, [
    {
      first: 3,
      last: 9,
      deletedBytes: 129,
      runs: [
        { first: 3, last: 6, deletedBytes: 30 },
        { first: 9, last: 9, deletedBytes: 99 },
      ],
    },
    { first: 20, last: 20, deletedBytes: 1, runs: [{ first: 20, last: 20, deletedBytes: 1 }] },
  ]);
});

t.test('where there is no room for a range, its runs come first, the longest before the others', async (t) => {
  const ranges = new CompactRanges();
  for (let index = 0; index < 300; index += 1) {
    ranges.noteDeleted(index * 2, index === 7 ? 50 : 10);
    ranges.noteLive(2 * MIB);
  }
  const [range] = ranges.all;
  t.equal(range?.runs.length, 256, 'no more than that');
  const done: string[] = [];
  let left = 3;
  const compact = (start: Uint8Array, end: Uint8Array): Promise<void> => {
    done.push(`${sequenceOfObjectKey(start)}-${sequenceOfObjectKey(end)}`);
    return left-- > 0 ? Promise.reject(new UmbraError('STORE_FULL', 'full')) : Promise.resolve();
  };
  if (range === undefined) throw new Error('there is none');
  await compactRange({ compact }, range);
  t.same([done[0], done[1], done.at(-1), done.length], ['0-598', '510-598', '0-598', 258], 'the last has the rest');
  left = Infinity;
  await t.rejects(compactRange({ compact }, range), { code: 'STORE_FULL' });
  const failing = { compact: () => Promise.reject(new UmbraError('STORE_FAILED', 'broken')) };
  await t.rejects(compactRange(failing, range), { code: 'STORE_FAILED' });
});

t.test('what could not be compacted is by the next collection, though it does not delete it', async (t) => {
  const databases = memoryDatabases();
  let isFull = true;
  const compacted: number[] = [];
  const objects = kvWith(databases.objects, {
    compact: async (start, end) => {
      if (isFull) throw new UmbraError('STORE_FULL', 'full');
      compacted.push(sequenceOfObjectKey(start) ?? -1);
      await databases.objects.compact(start, end);
    },
  });
  const store = await openTestStore({ objects, meta: databases.meta });
  const random = new Random(testSeed(t));
  await backUp(store, 'a', random.bytes(100_000));
  await store.forget(store.catalog.find('a', 'latest'));
  await t.rejects(store.collect(QUIET), { code: 'STORE_FULL' });
  isFull = false;
  t.match(await store.collect(QUIET), { deletedObjects: 1 }, 'a tombstone that nobody needs any more');
  t.equal(compacted.length, 2);
  await store.collect(QUIET);
  t.equal(compacted.length, 2, 'once');
  t.equal(await databases.objects.get(objectKey(compacted[0] ?? 0)), undefined);
});

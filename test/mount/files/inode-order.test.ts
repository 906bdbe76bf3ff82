import t from 'tap';
import { inInodeOrder } from '../../../mount/files/inode-order.js';
import type { DirectoryItem, FileId } from '../../../mount/filesystems/filesystem.js';
import { MAX_ENTRIES } from '../../../mount/node.js';

function* batchesOf(ids: readonly FileId[], size = 100): Generator<readonly DirectoryItem[]> {
  for (let at = 0; at < ids.length; at += size) yield ids.slice(at, at + size).map((id) => ({ name: `n${id}`, id }));
}

async function* later<T>(values: Iterable<T>): AsyncGenerator<T> {
  for (const value of values) yield await Promise.resolve(value);
}

async function idsOf(
  batches: AsyncIterable<readonly DirectoryItem[]>,
  into: FileId[] = [],
): Promise<readonly FileId[]> {
  for await (const batch of batches) for (const { id } of batch) into.push(id);
  return into;
}

const AS_NUMBERED = { path: '/d', place: Number };

const SHUFFLED = Array.from({ length: 3000 }, (_, index) => (index * 1_234_577) % 3000);

t.test('a large directory is listed in the order of its inodes', async (t) => {
  const sorted = [...SHUFFLED].sort((one, other) => one - other);
  t.strictSame(await idsOf(inInodeOrder(later(batchesOf(SHUFFLED)), AS_NUMBERED)), sorted);
  t.strictSame(await idsOf(inInodeOrder(later(batchesOf(sorted)), AS_NUMBERED)), sorted, 'what is in order stays');
});

t.test('in the order of what the file system says where they stand, small numbers and large', async (t) => {
  const base = 2n ** 70n;
  const ids = [...SHUFFLED.map((id) => base + BigInt(id)), base + 7n];
  for (const scale of [1, 2 ** 20]) {
    const place = (id: FileId): number => Number(BigInt(id) - base) * scale;
    const listed = await idsOf(inInodeOrder(later(batchesOf(ids)), { path: '/d', place }));
    t.equal(listed.length, 3001);
    t.strictSame(listed.slice(5, 10), [base + 5n, base + 6n, base + 7n, base + 7n, base + 8n]);
  }
});

t.test('others have a turn while a large directory is handed out', async (t) => {
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  count();
  const ids = Array.from({ length: 100_000 }, (_, index) => 100_000 - index);
  await idsOf(inInodeOrder(later(batchesOf(ids, 100_000)), AS_NUMBERED));
  isDone = true;
  t.ok(turns >= 6, `${turns} turns`);
});

t.test('a small one as it comes', async (t) => {
  const ids = SHUFFLED.slice(0, 999);
  t.strictSame(await idsOf(inInodeOrder(later(batchesOf(ids)), AS_NUMBERED)), ids);
});

t.test('what comes before an error is listed, then the error', async (t) => {
  function* damaged(): Generator<readonly DirectoryItem[]> {
    yield* batchesOf(SHUFFLED.slice(0, 1500));
    throw new RangeError('a defect');
  }
  const listed: FileId[] = [];
  await t.rejects(idsOf(inInodeOrder(later(damaged()), AS_NUMBERED), listed), { message: 'a defect' });
  t.equal(listed.length, 1500);
  t.ok(listed.every((id, index) => index === 0 || Number(listed[index - 1]) < Number(id)));
});

t.test('a directory that is too large is an error, before all of it is in memory', async (t) => {
  const batch = [...batchesOf(SHUFFLED, 3000)][0] ?? [];
  let batches = 0;
  function* endless(): Generator<readonly DirectoryItem[]> {
    for (;;) {
      batches++;
      yield batch;
    }
  }
  const listed: FileId[] = [];
  await t.rejects(idsOf(inInodeOrder(later(endless()), AS_NUMBERED), listed), { code: 'EFBIG' });
  t.equal(listed.length, 0);
  t.equal(batches, Math.floor(MAX_ENTRIES / 3000) + 1);
});

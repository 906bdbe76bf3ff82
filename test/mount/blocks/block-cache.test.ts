import t from 'tap';
import { BlockCache, UNIT_BYTES } from '../../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../../mount/blocks/byte-source.js';
import { Random } from '../../kit/random.js';
import { memorySource } from '../../kit/filesystems/sources.js';

const BYTES = new Random(1).bytes(4 * UNIT_BYTES + 1000);

/** Counts reads, which take a while. */
function slowSource(): ByteSource & { reads: number; fails: boolean } {
  const memory = memorySource(BYTES);
  return {
    ...memory,
    reads: 0,
    fails: false,
    async read(target, offset) {
      this.reads++;
      await Promise.resolve();
      if (this.fails) throw new TypeError('broken');
      return await memory.read(target, offset);
    },
  };
}

t.test('pieces are read once, also across units and at the end', async (t) => {
  const source = slowSource();
  const reader = new BlockCache(1024 * 1024).reader(source);
  const places = [
    [0, 10],
    [5, 100],
    [UNIT_BYTES - 7, 20],
    [UNIT_BYTES / 2, 2 * UNIT_BYTES],
    [BYTES.length - 9, 9],
    [77, 0],
  ] as const;
  for (const [offset, length] of places) {
    t.same(await reader.get(offset, length), BYTES.subarray(offset, offset + length));
  }
  t.equal(source.reads, 4);
  t.ok(reader.get(3, 4) instanceof Buffer, 'at once when it is there');
});

t.test('two who want the same wait for one read', async (t) => {
  const source = slowSource();
  const reader = new BlockCache(1024 * 1024).reader(source);
  await Promise.all([reader.get(0, 8), reader.get(8, 8)]);
  t.equal(source.reads, 1);
});

t.test('an error is not kept', async (t) => {
  const source = slowSource();
  const reader = new BlockCache(1024 * 1024).reader(source);
  source.fails = true;
  await t.rejects(Promise.resolve(reader.get(0, 8)), TypeError);
  source.fails = false;
  t.same(await reader.get(0, 8), BYTES.subarray(0, 8));
});

t.test('the least recently used goes first', async (t) => {
  const cache = new BlockCache(2 * UNIT_BYTES);
  const source = slowSource();
  const reader = cache.reader(source);
  for (const unit of [0, 1, 0, 2, 0, 1]) await reader.get(unit * UNIT_BYTES, 8);
  t.equal(source.reads, 4);
  t.equal(cache.size, 2);
  cache.drop(reader);
  t.equal(cache.size, 0);
});

t.test('sources do not see each other', async (t) => {
  const cache = new BlockCache(1024 * 1024);
  const [a, b] = [cache.reader(memorySource(Buffer.from('aaaa'))), cache.reader(memorySource(Buffer.from('bbbb')))];
  t.equal((await a.get(0, 4)).toString(), 'aaaa');
  t.equal((await b.get(0, 4)).toString(), 'bbbb');
  cache.drop(a);
  t.equal(cache.size, 1);
});

t.test('what lies outside is damage', async (t) => {
  const reader = new BlockCache(1024 * 1024).reader(memorySource(Buffer.alloc(100)));
  for (const [offset, length] of [
    [90, 11],
    [-1, 4],
    [0.5, 1],
    [2 ** 60, 1],
  ] as const) {
    t.throws(() => reader.get(offset, length), { code: 'FILESYSTEM_DAMAGED' });
  }
});

t.test('who reads only what is in memory lets others have their turn', async (t) => {
  const reader = new BlockCache(1024 * 1024).reader(memorySource(BYTES));
  let turns = 0;
  const count = (): void => {
    turns++;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  for (let read = 0; read < 10_000; read++) {
    const bytes = await reader.get(read, 8);
    if (!bytes.equals(BYTES.subarray(read, read + 8))) t.fail(`other bytes at ${read}`);
  }
  clearImmediate(timer);
  t.ok(turns >= 5, `${turns} turns of the event loop`);
});

import t from 'tap';
import { BlockCache } from '../../../../../mount/blocks/block-cache.js';
import type { Run } from '../../../../../mount/filesystems/ext/block-mapping.js';
import { JournalLog } from '../../../../../mount/filesystems/ext/journal/log.js';
import { memorySource } from '../../../../kit/filesystems/sources.js';

const BLOCK_BYTES = 1024;

/** A journal of these runs: where each stands, and how long it is; all of a volume of 100 blocks. */
async function open(runs: readonly (readonly [number, number])[], blocks?: number): Promise<JournalLog> {
  const bytes = Buffer.alloc(100 * BLOCK_BYTES);
  for (let block = 0; block < 100; block++) bytes.fill(block, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
  const all: Run[] = [];
  let start = 0;
  for (const [physical, length] of runs) {
    all.push({ start, length, physical: physical < 0 ? undefined : physical });
    start += length;
  }
  const find = (block: number): Run =>
    all.find((run) => block < run.start + run.length) ?? { start: block, length: 1, physical: undefined };
  const reader = new BlockCache(1024 * 1024).reader(memorySource(bytes));
  return await JournalLog.open(reader, { find }, BLOCK_BYTES, blocks ?? start);
}

t.test('knows where its blocks stand', async (t) => {
  const log = await open([
    [50, 10],
    [20, 5],
    [25, 5],
    [10, 10],
  ]);
  t.same(
    [0, 9, 10, 15, 20, 29].map((block) => log.physical(block)),
    [50, 59, 20, 25, 10, 19],
  );
  t.equal((await log.read(15))[0], 25);
  t.equal((await log.readPhysical(50, 3)).length, 3 * BLOCK_BYTES);
});

t.test('has no block twice', async (t) => {
  for (const second of [10, 14, 19, 5]) {
    const twice = open([
      [10, 10],
      [40, 1],
      [second, 6],
    ]);
    await t.rejects(twice, { code: 'FILESYSTEM_DAMAGED', message: /a block twice/ });
  }
  const longerThanItIs = await open(
    [
      [10, 10],
      [5, 50],
    ],
    15,
  );
  t.equal(longerThanItIs.physical(14), 9, 'what lies behind the end of the journal does not count');
});

t.test('has no holes', async (t) => {
  await t.rejects(
    open([
      [10, 10],
      [-1, 1],
    ]),
    { code: 'FILESYSTEM_DAMAGED', message: /holes/ },
  );
});

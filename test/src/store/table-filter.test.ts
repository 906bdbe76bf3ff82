import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

import { openLevelKv } from '../../../src/store/level-kv.js';
import { userKey } from '../../../src/store/table-blocks.js';
import { TableFilter } from '../../../src/store/table-filter.js';
import { Random, testSeed } from '../../kit/random.js';
import { dataBlocks, entriesOf, footerOf, tableFiles } from '../../kit/table-damage.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('a filter that LevelDB wrote has every key of a block, and hardly another', async (t) => {
  const random = new Random(testSeed(t));
  const directory = path.join(temporaryDirectory(t), 'database');
  const kv = await openLevelKv(directory, { profile: 'small', createIfMissing: true, errorIfExists: true });
  for (let count = 0; count < 3000; count++) {
    await kv.write([{ type: 'put', key: random.bytes(1 + random.below(40)), value: random.bytes(60) }], {
      sync: false,
    });
  }
  await kv.compact(Buffer.of(0), Buffer.alloc(50, 255));
  await kv.close();
  const table = readFileSync(tableFiles(directory)[0] ?? '');
  const blocks = dataBlocks(table);
  const last = blocks.at(-1) ?? { offset: 0, bytes: 0 };
  const filter = new TableFilter(table.subarray(last.offset + last.bytes + 5, footerOf(table).metaindex.offset - 5));
  let foreign = 0;
  for (const handle of blocks) {
    for (const { key } of entriesOf(table, handle)) {
      if (!filter.mayHave(handle.offset, userKey(key))) t.fail('a key is missing');
      if (filter.mayHave(handle.offset, random.bytes(20))) foreign++;
    }
  }
  t.ok(foreign < 150, `${foreign} of 3000 others`);
});

t.test('a filter that makes no sense says nothing', async (t) => {
  const key = Buffer.of(1);
  t.ok(new TableFilter(Buffer.alloc(0)).mayHave(0, key));
  t.ok(new TableFilter(Buffer.alloc(20, 0xff)).mayHave(0, key));
  const backwards = Buffer.of(9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 11);
  t.ok(new TableFilter(backwards).mayHave(0, key));
  const reserved = Buffer.of(0, 31, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 11);
  t.ok(new TableFilter(reserved).mayHave(0, key));
});

import { open } from 'node:fs/promises';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';

import { NodeLevel } from '../../../src/store/level-database.js';
import { openLevelKv } from '../../../src/store/level-kv.js';
import { blockEnd, isIntact, userKey, type BlockHandle } from '../../../src/store/table-blocks.js';
import { scanTable, type TableFault } from '../../../src/store/table-scan.js';
import { numberKey } from '../../kit/bytes.js';
import { Random, testSeed } from '../../kit/random.js';
import { flipBit } from '../../kit/store-damage.js';
import { dataBlocks, entriesOf, footerOf, tableFiles } from '../../kit/table-damage.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const KEYS = 2000;

/** A database whose numbers have values of different lengths, some of them deleted, in one table. */
async function makeDatabase(t: Test, random: Random): Promise<string> {
  const directory = path.join(temporaryDirectory(t), 'database');
  const kv = await openLevelKv(directory, { profile: 'small', createIfMissing: true, errorIfExists: true });
  for (let number = 0; number < KEYS; number++) {
    const value = Buffer.alloc(random.below(400), number);
    await kv.write([{ type: 'put', key: numberKey(number * 3), value }], { sync: false });
  }
  await kv.compact(numberKey(0), numberKey(KEYS * 3));
  await kv.close();
  return directory;
}

async function scan(file: string, dataBlocks = true): Promise<TableFault[]> {
  const handle = await open(file, 'r');
  try {
    return await scanTable(handle, { dataBlocks });
  } finally {
    await handle.close();
  }
}

function blockAround(table: Buffer, at: number): BlockHandle | undefined {
  return dataBlocks(table).find((handle) => handle.offset <= at && at < blockEnd(handle));
}

/** What LevelDB finds is what stands in the blocks, and every table is found whole. */
async function assertRead(t: Test, directory: string): Promise<void> {
  const read: string[] = [];
  for (const file of tableFiles(directory)) {
    t.same(await scan(file), [], 'whole');
    const table = readFileSync(file);
    for (const handle of dataBlocks(table)) {
      t.ok(isIntact(table.subarray(handle.offset, blockEnd(handle))));
      for (const { key, value } of entriesOf(table, handle))
        read.push(`${userKey(key).toString('hex')} ${value.length}`);
    }
  }
  const kv = await openLevelKv(directory, { profile: 'small', createIfMissing: false, errorIfExists: false });
  const expected: string[] = [];
  for await (const [key, value] of kv.entries()) expected.push(`${Buffer.from(key).toString('hex')} ${value.length}`);
  await kv.close();
  t.same(read, expected);
}

t.test('a table is read as LevelDB reads it', async (t) => {
  await assertRead(t, await makeDatabase(t, new Random(testSeed(t))));
});

t.test('so are the tables that its repair writes, compressed and without a filter', async (t) => {
  const directory = path.join(temporaryDirectory(t), 'database');
  const kv = await openLevelKv(directory, { profile: 'small', createIfMissing: true, errorIfExists: true });
  for (let number = 0; number < KEYS; number++) {
    const value = Buffer.from(`value ${number} `.repeat(number % 40));
    await kv.write([{ type: 'put', key: numberKey(number), value }], { sync: false });
  }
  await kv.close();
  await NodeLevel.repair(directory);
  const [file = ''] = tableFiles(directory);
  const table = readFileSync(file);
  t.ok(
    dataBlocks(table).some((handle) => table[blockEnd(handle) - 5] === 1),
    'blocks are compressed',
  );
  await assertRead(t, directory);
  const [block] = dataBlocks(table);
  table.fill(0xff, block?.offset, (block?.offset ?? 0) + 40);
  writeFileSync(file, table);
  t.match(await scan(file), [{ kind: 'keys', offset: 0 }]);
});

t.test('every flipped bit is found where it is', async (t) => {
  const random = new Random(testSeed(t));
  const [file = ''] = tableFiles(await makeDatabase(t, random));
  const whole = readFileSync(file);
  const { metaindex } = footerOf(whole);
  const parts = [
    [0, whole.length],
    [metaindex.offset - 1000, whole.length],
    [whole.length - 48, whole.length],
  ] as const;
  const seen = new Set<string>();
  for (let round = 0; round < 600; round++) {
    const table = Buffer.from(whole);
    const [from, to] = parts[round % parts.length] ?? [0, 1];
    flipBit(random, table, from, to);
    const at = table.findIndex((byte, index) => byte !== whole[index]);
    writeFileSync(file, table);
    const faults = await scan(file);
    const [fault] = faults;
    if (faults.length !== 1 || fault === undefined) {
      t.fail(`${faults.length} faults for a flip at ${at}`);
      return;
    }
    const block = blockAround(whole, at);
    const kinds = block === undefined ? ['filter', 'index', 'footer'] : ['values', 'keys'];
    if (!kinds.includes(fault.kind)) t.fail(`a flip at ${at} is said to be in the ${fault.kind}`);
    if (block !== undefined && block.offset !== fault.offset)
      t.fail(`a flip at ${at} is said to be at ${fault.offset}`);
    if ((await scan(file, false)).length !== (block === undefined ? 1 : 0))
      t.fail(`data blocks are another matter: ${at}`);
    seen.add(fault.kind);
  }
  t.same([...seen].sort(), ['filter', 'footer', 'index', 'keys', 'values']);
});

t.test('keys that are damaged are told from values', async (t) => {
  const [file = ''] = tableFiles(await makeDatabase(t, new Random(testSeed(t))));
  const whole = readFileSync(file);
  const block = dataBlocks(whole)[5] ?? { offset: 0, bytes: 0 };
  const entries = entriesOf(whole, block);
  const inBlock = (at: number, how: number): Buffer => {
    const table = Buffer.from(whole);
    table[block.offset + at] = (table[block.offset + at] ?? 0) ^ how;
    return table;
  };
  const [first, second] = entries;
  const last = entries.at(-1);
  const restarts = block.bytes - 4 * (1 + Math.ceil(entries.length / 16));
  const keyOfFirst = (first?.value.byteOffset ?? 0) - (first?.value.byteOffset ?? 0) + 3;
  const cases: readonly (readonly [what: string, table: Buffer, kind: string])[] = [
    ['shared length', inBlock(second?.at ?? 0, 0x01), 'keys'],
    ['length of a key', inBlock(1, 0x10), 'keys'],
    ['length of a value', inBlock((last?.at ?? 0) + 2, 0x01), 'keys'],
    ['a key above its block', inBlock(keyOfFirst, 0x80), 'keys'],
    ['a restart point', inBlock(restarts, 0x01), 'keys'],
    ['the number of restart points', inBlock(block.bytes - 4, 0x01), 'keys'],
    ['the compression', inBlock(block.bytes, 0x01), 'keys'],
    ['another compression', inBlock(block.bytes, 0x04), 'keys'],
    ['the checksum', inBlock(block.bytes + 2, 0x04), 'values'],
    ['a value', inBlock(restarts - 1, 0x20), 'values'],
  ];
  for (const [what, table, kind] of cases) {
    writeFileSync(file, table);
    t.match(await scan(file), [{ kind, offset: block.offset, bytes: block.bytes + 5 }], what);
  }
});

t.test('whatever stands in a file, it gets an answer', async (t) => {
  const random = new Random(testSeed(t));
  const [file = ''] = tableFiles(await makeDatabase(t, random));
  const whole = readFileSync(file);
  for (let round = 0; round < 60; round++) {
    const table = Buffer.from(whole.subarray(0, random.chance(0.3) ? random.below(whole.length) : whole.length));
    for (let count = random.below(30); count > 0 && table.length > 0; count--)
      table[random.below(table.length)] = random.below(256);
    if (random.chance(0.5) && table.length > 48) table.writeBigUInt64LE(0xdb4775248b80fb57n, table.length - 8);
    writeFileSync(file, table);
    const faults = await scan(file);
    if (faults.length === 0 && !table.equals(whole)) t.fail('damage was missed');
  }
  writeFileSync(file, '');
  t.match(await scan(file), [{ kind: 'footer', offset: 0, bytes: 0 }]);
});

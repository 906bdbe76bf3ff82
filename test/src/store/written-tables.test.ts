import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, rmSync, symlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openLevelKv, type LevelProfile } from '../../../src/store/level-kv.js';
import { WrittenTables } from '../../../src/store/written-tables.js';
import { numberKey } from '../../kit/bytes.js';
import { cachedBytes } from '../../kit/cached-bytes.js';
import { ext4Disk } from '../../kit/small-disk.js';

const MIB = 1024 * 1024;
const LIMITS = { lookBytes: 4 * MIB, keepBytes: 2 * MIB };

/** What LevelDB would have written and synced. */
function writeTable(directory: string, number: number): string {
  const path = join(directory, `${String(number).padStart(6, '0')}.ldb`);
  const file = openSync(path, 'w');
  writeSync(file, Buffer.alloc(MIB, number));
  fsyncSync(file);
  closeSync(file);
  return path;
}

t.test('tables that this process has written leave the page cache, but for the newest', async (t) => {
  const { directory } = ext4Disk(t, 64 * MIB);
  const before = writeTable(directory, 3);
  const written = await WrittenTables.open(directory, LIMITS);
  const paths = [5, 7, 8, 1_000_000].map((number) => writeTable(directory, number));
  const cached = (): boolean[] => paths.map((path) => cachedBytes(path) > 0);
  written.note(4 * MIB - 1);
  await written.idle();
  t.strictSame(cached(), [true, true, true, true], 'not looked for yet');
  written.note(1);
  await written.idle();
  t.strictSame(cached(), [false, false, true, true]);
  t.ok(cachedBytes(before) > 0, 'what was there before is not its own');
  paths.push(writeTable(directory, 1_000_001));
  written.note(4 * MIB);
  await written.idle();
  t.strictSame(cached(), [false, false, false, true, true]);
});

t.test('a table that goes meanwhile, and a directory that does, are no failure', async (t) => {
  const { directory } = ext4Disk(t, 64 * MIB);
  const written = await WrittenTables.open(directory, LIMITS);
  // They are named in the directory, and can not be opened.
  for (const number of [1, 9]) symlinkSync('nowhere', join(directory, `${String(number).padStart(6, '0')}.ldb`));
  const paths = [2, 3, 4].map((number) => writeTable(directory, number));
  written.note(4 * MIB);
  await written.idle();
  t.strictSame(
    paths.map((path) => cachedBytes(path) > 0),
    [false, true, true],
  );
  const gone = join(directory, 'gone');
  mkdirSync(gone);
  const writtenThere = await WrittenTables.open(gone, LIMITS);
  rmSync(gone, { recursive: true });
  writtenThere.note(4 * MIB);
  await t.resolves(writtenThere.idle());
});

t.test('LevelDB with large values has its tables dropped, with small ones it keeps them', async (t) => {
  const { directory } = ext4Disk(t, 1024 * MIB);
  const cachedOf = async (profile: LevelProfile): Promise<number> => {
    const path = join(directory, profile);
    const kv = await openLevelKv(path, { profile, createIfMissing: true, errorIfExists: true });
    const value = Buffer.alloc(64 * 1024, 0xa5);
    for (let batch = 0; batch < 56; batch++) {
      const operations = Array.from({ length: 64 }, (_, index) => {
        return { type: 'put', key: numberKey(batch * 64 + index), value } as const;
      });
      await kv.write(operations, { sync: false });
    }
    await kv.flush();
    await kv.close();
    const tables = readdirSync(path).filter((name) => name.endsWith('.ldb'));
    return tables.reduce((sum, name) => sum + cachedBytes(join(path, name)), 0);
  };
  // 224 MiB are written; looked for tables is at 64, 128 and 192.
  t.ok((await cachedOf('bulk')) < 160 * MIB);
  t.ok((await cachedOf('small')) > 200 * MIB);
});

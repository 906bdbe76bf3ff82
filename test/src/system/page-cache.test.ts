import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { dropCached } from '../../../src/system/page-cache.js';
import { cachedBytes } from '../../kit/cached-bytes.js';
import { ext4Disk } from '../../kit/small-disk.js';

const MIB = 1024 * 1024;

t.test('what is on the disk of a file leaves the page cache, and can be read again', async (t) => {
  const { directory } = ext4Disk(t, 64 * MIB);
  const path = join(directory, 'file');
  const bytes = Buffer.alloc(20 * MIB, 'what is written');
  const file = openSync(path, 'w');
  writeSync(file, bytes);
  fsyncSync(file);
  closeSync(file);
  t.equal(cachedBytes(path), bytes.length);
  await dropCached(path);
  t.equal(cachedBytes(path), 0);
  t.ok(readFileSync(path).equals(bytes));
});

t.test('a file that is gone is an error', async (t) => {
  await t.rejects(dropCached(join(ext4Disk(t, 4 * MIB).directory, 'gone')), { code: 'ENOENT' });
});

import { constants } from 'node:os';
import t from 'tap';
import { copyWhole, entryStats, statNumbers } from '../../../../src/system/fuse/answers.js';

t.test('stats of entries are made when they are read', async (t) => {
  const stats = entryStats([0o040000, 0o100000, 0], [5, 0xffffffff, 7]);
  t.equal(stats.length, 3);
  t.ok(Array.isArray(stats));
  const read = Array.from({ length: 3 }, (_, index) => {
    const stat = stats[index] ?? [];
    return [stat.length, stat[0], stat[6], stat[7]];
  });
  t.strictSame(read, [
    [18, 0o040000, 1, 5],
    [18, 0o100000, 1, 0xffffffff],
    [18, 0, 1, 7],
  ]);
  t.equal(stats[3]?.[0], 0);
  t.equal(typeof Reflect.get(stats, 'map'), 'function', 'what else it is asked for is that of an array');
});

t.test('extended attributes: the size, all of it, or an error', async (t) => {
  const target = Buffer.alloc(3);
  t.equal(copyWhole(Buffer.from('abcd'), new Uint8Array(0)), 4);
  t.equal(copyWhole(Buffer.from('abcd'), target), -constants.errno.ERANGE);
  t.strictSame(target, Buffer.alloc(3));
  t.equal(copyWhole(Buffer.from('ab'), target), 2);
  t.strictSame(target, Buffer.from('ab\0'));
});

t.test('a stat as numbers', async (t) => {
  const stat = { mode: 0o100644, uid: 1, gid: 2, size: 2 ** 40 + 3, nlink: 4, ino: 5, rdev: 6, blksize: 4096 };
  const times = { atime: 1_700_000_000_123, mtime: 2 ** 32, ctime: 7 };
  t.strictSame(
    [...statNumbers({ ...stat, ...times, blocks: 2 ** 33 })],
    [
      ...[0o100644, 1, 2, 3, 256, 0, 4, 5, 6, 4096, 0, 2],
      ...[1_700_000_000_123 % 2 ** 32, Math.floor(1_700_000_000_123 / 2 ** 32), 0, 1, 7, 0],
    ],
  );
  t.strictSame([...statNumbers(undefined)], [...[0, 0, 0, 0, 0, 0, 1], ...new Array<number>(11).fill(0)]);
});

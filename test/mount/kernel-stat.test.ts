import t from 'tap';
import { kernelStat, kernelStatfs } from '../../mount/kernel-stat.js';
import type { NodeStat } from '../../mount/node.js';

const STAT: NodeStat = {
  kind: 'file',
  ino: 7,
  permissions: 0o4644,
  nlink: 1,
  uid: 2,
  gid: 3,
  sizeBytes: 10,
  blocks: 8,
  mtimeMs: 1000.9,
};

t.test('a stat as the kernel wants it', async (t) => {
  const expected = { mode: 0o104644, size: 10, ino: 7, rdev: 0, mtime: 1000, atime: 1000, ctime: 1000 };
  t.match(kernelStat(STAT), expected);
  t.match(kernelStat({ ...STAT, atimeMs: 5, ctimeMs: -1 }), { atime: 5, mtime: 1000, ctime: 0 });
  const modes = { directory: 0o040000, link: 0o120000, fifo: 0o010000, socket: 0o140000 } as const;
  for (const kind of ['directory', 'link', 'fifo', 'socket'] as const) {
    t.equal(kernelStat({ ...STAT, kind }).mode, modes[kind] | 0o4644);
  }
});

t.test('device numbers as Linux splits them', async (t) => {
  const numberOf = (major: number, minor: number): number =>
    kernelStat({ ...STAT, kind: 'block-device', device: { major, minor } }).rdev;
  t.equal(numberOf(8, 1), 0x801);
  t.equal(numberOf(259, 65_536), 0x10010300);
  t.equal(numberOf(0xfff, 0xfffff), 0xffffffff);
});

t.test('the figures of large file systems fit 32 bits', async (t) => {
  t.match(kernelStatfs(undefined), { bsize: 4096, blocks: 0, namemax: 255 });
  const usage = { blockBytes: 4096, blocks: 1000, freeBlocks: 250, files: 100, freeFiles: 2 ** 40 };
  t.match(kernelStatfs(usage), { bsize: 4096, frsize: 4096, blocks: 1000, bfree: 250, bavail: 250 });
  t.match(kernelStatfs(usage), { files: 100, ffree: 0xffffffff });
  const large = kernelStatfs({ ...usage, blocks: 2 ** 34 + 4, freeBlocks: 2 ** 33 });
  t.match(kernelStatfs({ ...usage, availableBlocks: 200 }), { bfree: 250, bavail: 200 });
  t.match(large, { bsize: 32_768, blocks: 2 ** 31, bfree: 2 ** 30 });
});

import t from 'tap';
import { extrefKey, parseInodeRefs, refKey } from '../../../../mount/filesystems/btrfs/inode-ref.js';
import { compareKeys, keyAfter, keyBefore, makeKey } from '../../../../mount/filesystems/btrfs/key.js';
import { loggedSubvolumes } from '../../../../mount/filesystems/btrfs/log-replay.js';
import { OverlayTree, ReplayLimits } from '../../../../mount/filesystems/btrfs/overlay-tree.js';
import { truncateExtents } from '../../../../mount/filesystems/btrfs/replay-extents.js';
import { inodeKey, ReplayLinks } from '../../../../mount/filesystems/btrfs/replay-links.js';
import type { Item, ItemTree } from '../../../../mount/filesystems/btrfs/item-tree.js';
import type { Key } from '../../../../mount/filesystems/btrfs/key.js';

const MIB = 1024 * 1024;
const DAMAGED = { code: 'FILESYSTEM_DAMAGED' };
const EMPTY: ItemTree = {
  find: async () => undefined,
  floor: async () => undefined,
  batches: async function* () {
    // Nothing.
  },
};

function links(): ReplayLinks {
  const tree = new OverlayTree(EMPTY);
  for (const [inode, mode] of [
    [256, 0o040755],
    [257, 0o100644],
  ] as const) {
    const bytes = Buffer.alloc(160);
    bytes.writeUInt32LE(1, 40);
    bytes.writeUInt32LE(mode, 52);
    tree.set(inodeKey(inode), bytes);
  }
  return new ReplayLinks(tree, 4096);
}

async function all(tree: ItemTree, from: Key, to: Key): Promise<Item[]> {
  const found: Item[] = [];
  for await (const items of tree.batches(from, to)) found.push(...items);
  return found;
}

t.test('names that fit into no item of their directory get one of their own', async (t) => {
  const replay = links();
  const names = Array.from({ length: 30 }, (_, index) => Buffer.alloc(200, `name ${index}, `));
  for (const [index, name] of names.entries()) t.equal(await replay.link(256, 257, name, index + 2, true), true);
  t.equal(await replay.link(256, 257, names[0] ?? Buffer.alloc(0), 99, true), false, 'it is there');
  t.equal(await replay.link(256, 999, Buffer.from('x'), 99, true), false, 'there is no such inode');
  t.equal(await replay.countNames(257), 30);
  t.equal((await replay.inode(256))?.readUInt32LE(16), 30 * 400);
  const last = names[29] ?? Buffer.alloc(0);
  const key = extrefKey(257, 256, last);
  const item = await replay.tree.find(key);
  t.match(parseInodeRefs(key, item?.data ?? Buffer.alloc(0)), [{ parent: 256, index: 31, name: last }]);
  t.ok(((await replay.tree.find(refKey(257, 256)))?.data.length ?? 5000) < 4096);
  for (const name of names) await replay.unlink(256, 257, name);
  t.equal(await replay.countNames(257), 0);
  t.equal((await replay.inode(256))?.readUInt32LE(16), 0);
  t.same(await all(replay.tree, makeKey(256, 2, 0), makeKey(256, 255, -1)), []);
  await t.rejects(replay.unlink(256, 257, last), DAMAGED);
  await t.rejects(replay.changeLinks(1000, 1), DAMAGED);
});

t.test('changes over a tree', async (t) => {
  const base = new OverlayTree(EMPTY);
  for (let offset = 0; offset < 20; offset += 2) base.set(makeKey(5, 1, offset), Buffer.of(offset));
  const tree = new OverlayTree(base);
  for (const offset of [4, 6, 18]) tree.delete(makeKey(5, 1, offset));
  tree.set(makeKey(5, 1, 5), Buffer.of(55));
  tree.set(makeKey(5, 1, 8), Buffer.of(88));
  tree.set(makeKey(5, 1, 40), Buffer.of(40));
  const content = (await all(tree, makeKey(5, 1, 1), makeKey(5, 1, 100))).map(({ offset, data }) => [offset, data[0]]);
  t.same(content, [
    [2, 2],
    [5, 55],
    [8, 88],
    [10, 10],
    [12, 12],
    [14, 14],
    [16, 16],
    [40, 40],
  ]);
  t.match(await tree.floor(makeKey(5, 1, 7)), { offset: 5 });
  t.match(await tree.floor(makeKey(5, 1, 4)), { offset: 2 });
  t.match(await tree.floor(makeKey(5, 1, 39)), { offset: 16 });
  t.equal(await tree.floor(makeKey(4, 1, 0)), undefined);
  t.equal(await tree.find(makeKey(5, 1, 18)), undefined);
  t.throws(
    () => {
      for (let offset = 0; offset < 40; offset++) tree.set(makeKey(6, 1, offset), Buffer.alloc(1024 * 1024));
    },
    { code: 'FILESYSTEM_UNREADABLE' },
  );
});

t.test('the order of keys', async (t) => {
  const keys = [
    makeKey(0, 0, 0),
    makeKey(5, 1, -1),
    makeKey(5, 2, 0),
    makeKey(5, 2, 2 ** 40),
    makeKey(-10, 0, 0),
    makeKey(-1, 255, -1),
  ];
  for (const [a, first] of keys.entries()) {
    for (const [b, second] of keys.entries()) t.equal(Math.sign(compareKeys(first, second)), Math.sign(a - b));
  }
  t.same(keyBefore(makeKey(5, 0, 0)), makeKey(4, 255, -1));
  t.same(keyBefore(makeKey(5, 2, 0)), makeKey(5, 1, -1));
  t.same(keyAfter(makeKey(5, 1, -1)), makeKey(5, 2, 0));
  t.same(keyAfter(makeKey(5, 255, -1)), makeKey(6, 0, 0));
  t.same(keyAfter(makeKey(5, 1, 7)), makeKey(5, 1, 8));
});

t.test('names that are cut off are damage', async (t) => {
  t.throws(() => parseInodeRefs(refKey(1, 2), Buffer.alloc(9)), DAMAGED);
  const long = Buffer.alloc(12);
  long.writeUInt16LE(3, 8);
  t.throws(() => parseInodeRefs(refKey(1, 2), long), DAMAGED);
});

t.test('counts of links at their end, and inodes that are cut off', async (t) => {
  const replay = links();
  await replay.edit(257, (bytes) => bytes.writeUInt32LE(0xffffffff, 40));
  await replay.changeLinks(257, 1);
  t.equal((await replay.inode(257))?.readUInt32LE(40), 0xffffffff);
  replay.tree.set(inodeKey(258), Buffer.alloc(20));
  await t.rejects(replay.link(256, 258, Buffer.from('x'), 9, true), DAMAGED);
});

t.test('the replay of all logs of a file system has one limit', async (t) => {
  const limits = new ReplayLimits();
  const trees = Array.from({ length: 20 }, () => new OverlayTree(EMPTY, limits));
  const key = makeKey(6, 1, 0);
  trees[0]?.set(key, Buffer.alloc(30 * MIB));
  trees[0]?.set(key, Buffer.alloc(MIB));
  t.throws(
    () => {
      for (const tree of trees) tree.set(key, Buffer.alloc(2 * MIB));
    },
    { code: 'FILESYSTEM_UNREADABLE' },
  );
  t.ok(limits.memoryBytes > 32 * MIB);
  const steps = new ReplayLimits();
  t.throws(
    () => {
      for (;;) steps.step(1000);
    },
    { code: 'FILESYSTEM_UNREADABLE' },
  );
});

t.test('logs of more subvolumes, and files in more pieces, than make sense', async (t) => {
  const many = (type: number, data: Buffer): ItemTree => ({
    ...EMPTY,
    batches: async function* (from) {
      for (let batch = 0; batch < 1_000_000; batch++) {
        yield Array.from({ length: 100 }, (_, index) => ({
          ...from,
          type,
          offset: (batch * 100 + index) * 4096,
          data,
        }));
      }
    },
  });
  await t.rejects(loggedSubvolumes(many(132, Buffer.alloc(439))), { code: 'FILESYSTEM_UNREADABLE' });
  const extent = Buffer.alloc(53);
  extent.writeUInt8(1, 20);
  extent.writeUInt32LE(4096, 45);
  const tree = new OverlayTree(many(108, extent));
  const inode = Buffer.alloc(160);
  tree.set(inodeKey(257), inode);
  const replay = { links: new ReplayLinks(tree, 4096), sectorBytes: 4096, noHoles: false };
  await t.rejects(truncateExtents(replay, 257), { code: 'FILESYSTEM_UNREADABLE' });
});

t.test('what was taken away is counted each time it is passed', async (t) => {
  const COUNT = 3000;
  const base = new OverlayTree(EMPTY);
  for (let offset = 0; offset < COUNT; offset++) base.set(makeKey(5, 1, offset), Buffer.of(1));
  const limits = new ReplayLimits();
  const tree = new OverlayTree(base, limits);
  for (let offset = 0; offset < COUNT; offset++) tree.delete(makeKey(5, 1, offset));
  const tooMuch = { code: 'FILESYSTEM_UNREADABLE' };
  const walk = async (): Promise<void> => {
    for (let turn = 0; turn < 2000; turn++) t.equal((await all(tree, makeKey(5, 1, 0), makeKey(5, 1, -1))).length, 0);
  };
  await t.rejects(walk(), tooMuch);
  await t.rejects(tree.floor(makeKey(5, 1, COUNT)), tooMuch);
  limits.end();
  t.equal(await tree.floor(makeKey(5, 1, COUNT)), undefined, 'after the replay it can be read as often as you like');
});

t.test('the last key of all is passed once', async (t) => {
  const base = new OverlayTree(EMPTY);
  base.set(makeKey(-1, 255, -1), Buffer.of(1));
  const tree = new OverlayTree(base);
  tree.set(makeKey(5, 1, 0), Buffer.of(2));
  t.equal((await all(tree, makeKey(0, 0, 0), makeKey(-1, 255, -1))).length, 2);
});

t.test('names of one hash are added as long as they fit into a block', async (t) => {
  const replay = links();
  const names = namesOfOneHash(200);
  const added = async (): Promise<void> => {
    for (const [index, name] of names.entries()) await replay.link(256, 257, name, index + 2, false);
  };
  await t.rejects(added(), { code: 'FILESYSTEM_DAMAGED', message: /one hash/ });
});

/** Different names that a directory keeps in one item. */
function namesOfOneHash(count: number): Buffer[] {
  // Those that differ by a multiple of CRC-32C's polynomial have the same.
  const polynomial = [0xf1, 0x76, 0xec, 0x05, 0x01];
  return Array.from({ length: count }, (_, index) => {
    const name = Buffer.alloc(12, 'a');
    for (let bit = 0; bit < 8; bit++) {
      if (((index >> bit) & 1) === 0) continue;
      for (const [at, byte] of polynomial.entries()) name[at + bit] = (name[at + bit] ?? 0) ^ byte;
    }
    return name;
  });
}

import t from 'tap';
import { FakeSource, patternBytes } from '../../kit/fake-source.js';
import { namesIn, OWNER, readAll, treeOf } from '../../kit/tree.js';

function setUp() {
  const source = new FakeSource();
  const volumes = [
    { name: 'vda', sizeBytes: 1_000_001, seed: 1 },
    { name: 'empty', sizeBytes: 0, seed: 2 },
    { name: 'bad', sizeBytes: 10_000, seed: 3, damagedFrom: 4096 },
    { name: 'huge', sizeBytes: 2 ** 46, seed: 4 },
  ];
  return { source, tree: treeOf(source), top: `/vm/${source.add('vm', 1000, { volumes })}/volumes` };
}

t.test('sparse files that only the owner reads', async (t) => {
  const { tree, top } = setUp();
  t.strictSame(await namesIn(tree, top), ['vda.raw', 'empty.raw', 'bad.raw', 'huge.raw']);
  t.match(await tree.stat(`${top}/vda.raw`), {
    permissions: 0o400,
    sizeBytes: 1_000_001,
    blocks: 977,
    nlink: 1,
    ...OWNER,
  });
  t.match(await tree.stat(`${top}/empty.raw`), { sizeBytes: 0, blocks: 0 });
  t.match(await tree.stat(`${top}/huge.raw`), { sizeBytes: 2 ** 46, blocks: 2 ** 36 });
});

t.test('reading to the end, and far out', async (t) => {
  const { source, tree, top } = setUp();
  t.ok((await readAll(tree, `${top}/vda.raw`)).equals(patternBytes(1, 0, 1_000_001)));
  t.equal((await readAll(tree, `${top}/empty.raw`)).length, 0);
  const file = await tree.open(`${top}/huge.raw`);
  const target = Buffer.alloc(100);
  t.equal(await file.read(target, 2 ** 46 - 60), 60);
  t.ok(target.subarray(0, 60).equals(patternBytes(4, 2 ** 46 - 60, 60)));
  t.equal(source.openReaders, 1);
  await file.close();
  await file.close();
  t.equal(source.openReaders, 0);
});

t.test('damage is an error, what is before it can be read', async (t) => {
  const { tree, top } = setUp();
  const file = await tree.open(`${top}/bad.raw`);
  t.equal(await file.read(Buffer.alloc(4096), 0), 4096);
  await t.rejects(async () => file.read(Buffer.alloc(4096), 4096), { code: 'STORE_DAMAGED', message: /c0ffee/ });
});

import t from 'tap';
import { UmbraError } from '../../src/common/errors.js';
import type { VirtualTree } from '../../mount/tree.js';
import { FakeSource } from '../kit/fake-source.js';
import { namesIn, treeOf } from '../kit/tree.js';

const T0 = Date.UTC(2026, 10, 22, 10, 15);
const V0 = '2026-11-22T10-15-00Z';

function setUp() {
  const source = new FakeSource();
  source.add('vm', T0, {
    config: [{ name: 'vm.xml', data: Buffer.from('<domain/>') }],
    volumes: [
      { name: 'vda', sizeBytes: 10_000, seed: 1 },
      { name: 'vdb', sizeBytes: 0, seed: 2 },
    ],
  });
  return { source, tree: treeOf(source) };
}

/** Every path below `path`, links not followed. */
async function walk(tree: VirtualTree, path = ''): Promise<string[]> {
  const found: string[] = [];
  for (const { name, kind } of await tree.list(path)) {
    found.push(`${path}/${name}`);
    if (kind === 'directory') found.push(...(await walk(tree, `${path}/${name}`)));
  }
  return found;
}

t.test('the whole tree', async (t) => {
  const { tree } = setUp();
  t.strictSame(await walk(tree), [
    '/vm',
    `/vm/${V0}`,
    `/vm/${V0}/about.json`,
    `/vm/${V0}/config`,
    `/vm/${V0}/config/vm.xml`,
    `/vm/${V0}/files`,
    `/vm/${V0}/files/by-label`,
    `/vm/${V0}/files/by-uuid`,
    `/vm/${V0}/volumes`,
    `/vm/${V0}/volumes/vda.raw`,
    `/vm/${V0}/volumes/vdb.raw`,
    '/vm/latest',
  ]);
});

t.test('stat agrees with the listing for every node', async (t) => {
  const { tree } = setUp();
  const inodes = new Set([(await tree.stat('/')).ino]);
  for (const path of await walk(tree)) {
    const parent = path.slice(0, path.lastIndexOf('/'));
    const entry = (await tree.list(parent)).find(({ name }) => `${parent}/${name}` === path);
    const stat = await tree.stat(path);
    t.match(stat, { kind: entry?.kind, ino: entry?.ino }, path);
    t.notOk(inodes.has(stat.ino), `${path} has a number of its own`);
    inodes.add(stat.ino);
  }
});

t.test('nlink of a directory is 2 and its subdirectories', async (t) => {
  const { tree } = setUp();
  for (const path of ['', ...(await walk(tree))]) {
    const stat = await tree.stat(path);
    if (stat.kind !== 'directory') continue;
    const subdirectories = (await tree.list(path)).filter(({ kind }) => kind === 'directory').length;
    // Those of files/ can't be counted without opening it.
    t.equal(stat.nlink, path.endsWith('/files') ? 1 : 2 + subdirectories, path || '/');
  }
});

t.test('paths that are not what they are taken for', async (t) => {
  const { tree } = setUp();
  const cases: [() => unknown, string][] = [
    [() => tree.stat('/none'), 'ENOENT'],
    [() => tree.stat('/vm/2020-01-01T00-00-00Z'), 'ENOENT'],
    [() => tree.stat(`/vm/${V0}/volumes/vda`), 'ENOENT'],
    [() => tree.stat(`/vm/${V0}/volumes/vdc.raw`), 'ENOENT'],
    [() => tree.stat(`/vm/${V0}/config/../about.json`), 'ENOENT'],
    [() => tree.stat(`/vm/${V0}/about.json/x`), 'ENOTDIR'],
    [() => tree.stat(`/vm/latest/about.json`), 'ENOTDIR'],
    [() => tree.stat(`/${'x'.repeat(300)}`), 'ENAMETOOLONG'],
    [() => tree.list(`/vm/${V0}/about.json`), 'ENOTDIR'],
    [() => tree.list('/vm/latest'), 'ENOTDIR'],
    [() => tree.open('/vm'), 'EISDIR'],
    [() => tree.open('/vm/latest'), 'EINVAL'],
    [() => tree.readlink('/vm'), 'EINVAL'],
  ];
  for (const [look, code] of cases) await t.rejects(async () => await look(), { name: 'TreeError', code });
});

t.test('3,000 shadow copies are listed and looked at with nothing opened', async (t) => {
  const source = new FakeSource();
  for (let i = 0; i < 3000; i++) source.add('vm', T0 + i * 1000);
  const tree = treeOf(source);
  const entries = await tree.list('/vm');
  t.equal(entries.length, 3001);
  t.equal(new Set(entries.map(({ ino }) => ino)).size, 3001);
  for (const { name } of entries) await tree.stat(`/vm/${name}`);
  t.equal(source.opens, 0);
});

t.test('new shadow copies appear, forgotten ones disappear, the others keep their numbers', async (t) => {
  const { source, tree } = setUp();
  const before = await tree.stat(`/vm/${V0}/volumes/vda.raw`);
  const next = source.add('vm', T0 + 1000);
  t.strictSame(await namesIn(tree, '/vm'), [V0, next, 'latest']);
  t.equal(await tree.readlink('/vm/latest'), next);
  t.strictSame(await tree.stat(`/vm/${V0}/volumes/vda.raw`), before);
  source.forget('vm', next);
  t.equal(await tree.readlink('/vm/latest'), V0);
  await t.rejects(async () => await tree.stat(`/vm/${next}`), { code: 'ENOENT' });
  t.strictSame(await tree.stat(`/vm/${V0}/volumes/vda.raw`), before);
  source.forget('vm', V0);
  await t.rejects(async () => await tree.stat('/vm'), { code: 'ENOENT' });
  t.strictSame(await namesIn(tree, '/'), []);
});

t.test('a view that is kept does not outlive its shadow copy', async (t) => {
  const { source, tree } = setUp();
  await tree.stat(`/vm/${V0}/about.json`);
  source.add('vm', T0 + 1000);
  source.forget('vm', V0);
  await t.rejects(async () => tree.open(`/vm/${V0}/volumes/vda.raw`), { code: 'ENOENT' });
});

t.test("the source's errors come through, and are not kept", async (t) => {
  const { source, tree } = setUp();
  source.openError = new UmbraError('STORE_DAMAGED', 'node c0ffee is damaged');
  await t.rejects(async () => await tree.stat(`/vm/${V0}/about.json`), { code: 'STORE_DAMAGED' });
  t.ok(await tree.stat(`/vm/${V0}`), 'what needs no opening is there');
  source.openError = undefined;
  t.ok(await tree.stat(`/vm/${V0}/about.json`));
});

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findDevices } from '../../../mount/files/find-devices.js';
import { debugfs, ext4Image } from '../../kit/files-lab.js';
import { FakeSource } from '../../kit/fake-source.js';
import { chainOf, contentOf, makeChain, overlayTo, storedParts, type TestChain } from '../../kit/stored-chain.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { filesOf, namesIn, OWNER, readAll, treeOf } from '../../kit/tree.js';

const KIB = 1024;
const LAYERS = [
  { format: 'raw', size: '300k', commands: ['write -P 1 0 200k'] },
  { format: 'qcow2', size: '200k', commands: ['write -P 2 64k 10k'] },
  { format: 'qcow2', size: '500k', commands: ['write -P 3 130k 10k'] },
] as const;

/** A tree over a shadow copy; damaged bytes of volumes are errors of the store from `damagedFrom` on. */
function treeWith(chains: readonly TestChain[], ...more: readonly string[]) {
  const source = new FakeSource();
  const { config, volumes } = storedParts(...chains);
  const others = more.map((name, index) => ({ name, sizeBytes: 1000, seed: index }));
  const name = source.add('m', 1000, { config, volumes: [...volumes, ...others] });
  return { source, tree: treeOf(source, undefined, filesOf(source, findDevices)), top: `/m/${name}` };
}

t.test('the merged disk stands beside its files', async (t) => {
  const made = await makeChain(temporaryDirectory(t), LAYERS);
  const { source, tree, top } = treeWith([made]);
  t.strictSame(await namesIn(tree, top), ['about.json', 'config', 'files', 'volumes']);
  await tree.stat(`${top}/volumes`);
  await tree.stat(`${top}/volumes/vda.0.raw`);
  t.equal(source.looks, 0, 'nothing is read before anybody looks');
  t.strictSame(await namesIn(tree, `${top}/volumes`), ['vda.0.raw', 'vda.1.raw', 'vda.2.raw', 'vda.raw']);
  t.equal(source.looks, 3);
  const stat = await tree.stat(`${top}/volumes/vda.raw`);
  t.match(stat, { permissions: 0o400, sizeBytes: 500 * KIB, blocks: 1000, nlink: 1, ...OWNER });
  const entries = await tree.list(`${top}/volumes`);
  t.equal(entries[3]?.ino, stat.ino);
  t.equal(new Set(entries.map(({ ino }) => ino)).size, 4);
  t.equal(source.looks, 3, 'their headers are looked at once');
  const content = contentOf(made);
  t.ok((await readAll(tree, `${top}/volumes/vda.raw`)).equals(content));
  t.ok((await readAll(tree, `${top}/volumes/vda.1.raw`)).equals(made.files.get('vda.1') ?? Buffer.alloc(0)));
  const file = await tree.open(`${top}/volumes/vda.raw`);
  t.equal(source.openReaders, 3, 'the shadow copy is kept while it is open');
  t.equal(await file.read(Buffer.alloc(10), 600 * KIB), 0);
  await file.close();
  await file.close();
  t.equal(source.openReaders, 0);
  for (const name of ['vda', 'vdb.raw', 'vda.unreadable.txt', 'vda.9.raw'])
    await t.rejects(async () => tree.stat(`${top}/volumes/${name}`), { code: 'ENOENT' });
});

t.test('a name that a volume has is left to it', async (t) => {
  const made = await makeChain(temporaryDirectory(t), [LAYERS[0]]);
  const { tree, top } = treeWith([made], 'vda');
  t.strictSame(await namesIn(tree, `${top}/volumes`), ['vda.0.raw', 'vda.raw', 'vda-merged.raw']);
  t.match(await tree.stat(`${top}/volumes/vda.raw`), { sizeBytes: 1000 });
  t.ok((await readAll(tree, `${top}/volumes/vda-merged.raw`)).equals(contentOf(made)));
  t.same(await namesIn(tree, `${top}/files`), [
    'vda-merged.unreadable.txt',
    'vda.unreadable.txt',
    'by-label',
    'by-uuid',
  ]);
});

t.test('a disk that cannot be put together is a text, and so is one that the store cannot give for now', async (t) => {
  const made = await makeChain(temporaryDirectory(t), LAYERS);
  const encrypted = Buffer.from(made.files.get('vda.1') ?? '');
  encrypted[35] = 1;
  const { source, tree, top } = treeWith([{ ...made, files: new Map(made.files).set('vda.1', encrypted) }]);
  const text = 'vda.unreadable.txt';
  t.strictSame((await namesIn(tree, `${top}/volumes`)).slice(3), [text]);
  const words = (await readAll(tree, `${top}/volumes/${text}`)).toString().replaceAll('\n', ' ');
  t.match(words, /^vda: a disk that was stored as the files .* cannot be put together: vda\.1 is encrypted\./);
  t.match(
    words,
    /stand in volumes\/ as they were, the one at the bottom first: vda\.0\.raw, vda\.1\.raw, vda\.2\.raw\./,
  );
  t.match(await tree.stat(`${top}/volumes/${text}`), { permissions: 0o444 });
  t.same((await readAll(tree, `${top}/files/${text}`)).toString().replaceAll('\n', ' '), words);
  await t.rejects(async () => tree.stat(`${top}/volumes/vda.raw`), { code: 'ENOENT' });

  const { config, volumes } = storedParts(made);
  const damaged = volumes.map((volume) => ({ ...volume, damagedFrom: volume.name === 'vda.2' ? 0 : Infinity }));
  const [looks, open] = [source.looks, source.openReaders];
  const sick = `/m/${source.add('m', 2000, { config, volumes: damaged })}/volumes`;
  t.match((await readAll(tree, `${sick}/${text}`)).toString(), /chunk\s+c0ffee\s+of\s+volume\s+vda\.2\s+is\s+damaged/);
  t.match(await tree.stat(`${sick}/${text}`), { kind: 'file' });
  t.equal(source.looks - looks, 6, 'it is looked at again each time');
  t.equal(source.openReaders, open);
});

/** A disk with a file system, of which an overlay has a newer state than what it lies on. */
async function guestDisk(t: Test, disk: string): Promise<TestChain> {
  const directory = temporaryDirectory(t);
  const [tree, base, newer, overlay] = ['tree', 'base', 'newer', 'overlay'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
    string,
  ];
  mkdirSync(tree);
  writeFileSync(join(tree, 'old'), 'of the base');
  ext4Image(base, tree, 8);
  copyFileSync(base, newer);
  writeFileSync(join(directory, 'young'), 'of the overlay');
  debugfs(directory, newer, [`write ${join(directory, 'young')} young`]);
  await overlayTo(newer, base, overlay);
  return chainOf([base, overlay], ['raw', 'qcow2'], disk);
}

t.test('the files inside are those of the merged disk', async (t) => {
  const made = await guestDisk(t, 'vda');
  const { tree, top } = treeWith([made]);
  t.same(await namesIn(tree, `${top}/files`), ['vda', 'by-label', 'by-uuid'], 'what lies below is no disk of its own');
  t.equal((await readAll(tree, `${top}/files/vda/old`)).toString(), 'of the base');
  t.equal((await readAll(tree, `${top}/files/vda/young`)).toString(), 'of the overlay');
  t.match(JSON.parse((await readAll(tree, `${top}/about.json`)).toString()), {
    filesystems: [{ name: 'vda', type: 'ext4', journal: 'clean', problems: [] }],
  });
});

t.test('tables that are damaged hide no other disk', async (t) => {
  const [bad, good] = [await guestDisk(t, 'vda'), await guestDisk(t, 'vdb')];
  const overlay = Buffer.from(bad.files.get('vda.1') ?? '');
  // All entries of its L1 table.
  overlay.fill(0x01, Number(overlay.readBigUInt64BE(40)), Number(overlay.readBigUInt64BE(40)) + 8);
  const { tree, top } = treeWith([{ ...bad, files: new Map(bad.files).set('vda.1', overlay) }, good]);
  t.same(await namesIn(tree, `${top}/files`), ['vda.unreadable.txt', 'vdb', 'by-label', 'by-uuid']);
  const text = (await readAll(tree, `${top}/files/vda.unreadable.txt`)).toString();
  t.match(text, /the qcow2 file vda\.1 is damaged: it has an L2 table/);
  t.equal((await readAll(tree, `${top}/files/vdb/young`)).toString(), 'of the overlay');
  const file = await tree.open(`${top}/volumes/vda.raw`);
  await t.rejects(async () => file.read(Buffer.alloc(10), 0), { code: 'FILESYSTEM_DAMAGED' });
  await file.close();
});

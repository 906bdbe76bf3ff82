import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import type { DirectoryItem, Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { ntfsDriver } from '../../../../mount/filesystems/ntfs/driver.js';
import { setXattr } from '../../../../src/system/xattrs.js';
import { allExtents } from '../../../kit/filesystems/check-extents.js';
import { makeNtfs, mountNtfs3g } from '../../../kit/filesystems/ntfs-image.js';
import { attributeOf, NtfsEditor } from '../../../kit/filesystems/ntfs-edit.js';
import { protect } from '../../../kit/filesystems/ntfs-records.js';
import { number32, reparsePoint } from '../../../kit/filesystems/ntfs-values.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const DAMAGED = { code: 'FILESYSTEM_DAMAGED' };
const UNREADABLE = { code: 'FILESYSTEM_UNREADABLE', hint: /./ };
const DATA = 0x80;

let base: Buffer | undefined;

/** A small volume, made once. */
function smallVolume(t: Test): Buffer {
  if (base !== undefined) return base;
  const image = join(temporaryDirectory(t), 'ntfs.img');
  makeNtfs(image, { sizeMib: 6 });
  const mounted = mountNtfs3g(t, image);
  const at = (name: string): string => join(mounted.directory, name);
  for (const name of ['file', 'secret', 'deduplicated', 'cloud', 'other', 'archive'])
    writeFileSync(at(name), name.repeat(2000));
  writeFileSync(at('empty'), '');
  mkdirSync(at('directory'));
  setXattr(at('deduplicated'), 'system.ntfs_reparse_data', reparsePoint(0x80000013, Buffer.alloc(30)));
  setXattr(
    at('archive'),
    'system.ntfs_reparse_data',
    reparsePoint(0x80000017, Buffer.concat([1, 1, 1, 0].map(number32))),
  );
  setXattr(at('cloud'), 'system.ntfs_attrib_be', Buffer.of(0, 0, 0x10, 0x20));
  for (const name of ['cloud', 'other']) {
    setXattr(at(name), 'system.ntfs_reparse_data', reparsePoint(0x9000001a, Buffer.alloc(30)));
  }
  mounted.unmount();
  base = readFileSync(image);
  return base;
}

async function openVolume(volume: Buffer): Promise<Filesystem> {
  return await ntfsDriver.open({ source: memorySource(volume), cache: new BlockCache(1024 * 1024) });
}

async function find(filesystem: Filesystem, name: string): Promise<DirectoryItem> {
  const item = await filesystem.lookup(filesystem.root, name);
  if (item === undefined) throw new TypeError(`no ${name}`);
  return item;
}

async function content(filesystem: Filesystem, name: string): Promise<string> {
  const file = await filesystem.open((await find(filesystem, name)).id);
  const bytes = Buffer.alloc(file.sizeBytes);
  await file.read(bytes, 0);
  return bytes.toString();
}

t.test('what is no NTFS', async (t) => {
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(100), Buffer.alloc(100_000)]) {
    t.equal(await ntfsDriver.matches(memorySource(bytes)), false);
    t.equal(await ntfsDriver.matchesCopy?.(memorySource(bytes)), false);
    await t.rejects(openVolume(bytes), DAMAGED);
  }
});

t.test('the boot sector, its copy, and the volume end', async (t) => {
  const { volume } = new NtfsEditor(smallVolume(t));
  t.equal(await ntfsDriver.matches(memorySource(volume)), true);
  t.same((await openVolume(volume)).problems, []);
  volume.fill(0, 0, 512);
  t.equal(await ntfsDriver.matches(memorySource(volume)), false);
  t.equal(await ntfsDriver.matchesCopy?.(memorySource(volume)), true);
  const filesystem = await openVolume(volume);
  t.same(filesystem.problems, ['the boot sector is damaged: its copy at the end was used']);
  t.equal(await content(filesystem, 'file'), 'file'.repeat(2000));
  volume.fill(0, volume.length - 512);
  t.equal(await ntfsDriver.matchesCopy?.(memorySource(volume)), false);
  await t.rejects(openVolume(volume), DAMAGED);
  const short = await openVolume(smallVolume(t).subarray(0, 5 * 1024 * 1024));
  t.same(short.problems, ['the volume is larger than what holds it: its end is missing']);
  for (const [offset, value] of [
    [0x0b, 100],
    [0x0d, 3],
    [0x0d, 0xe0],
    [0x40, 3],
    [0x40, 0x81],
    [0x30, 0xff],
  ] as const) {
    const bytes = Buffer.from(smallVolume(t));
    bytes.fill(0, bytes.length - 512);
    bytes.fill(value, offset, offset === 0x30 ? 0x38 : offset + 1);
    await t.rejects(openVolume(bytes), DAMAGED, `${value} at ${offset}`);
  }
});

t.test('system files that are damaged', async (t) => {
  const editor = new NtfsEditor(smallVolume(t));
  editor.edit(3, (record) => attributeOf(record, 0x70).writeUInt16LE(1, 24 + 10));
  t.same((await openVolume(editor.volume)).problems, ['the volume is marked dirty: Windows would check it']);
  editor.volume.fill(0, editor.recordOffset(3), editor.recordOffset(3) + 4);
  const mirrored = await openVolume(editor.volume);
  t.equal(mirrored.label, 'Größe');
  t.match(mirrored.problems[0], /file record 3 was read from its copy/);
  editor.volume.fill(0, editor.mirrorOffset(3), editor.mirrorOffset(3) + 4);
  const nameless = await openVolume(editor.volume);
  t.equal(nameless.label, '');
  t.match(nameless.problems[0], /\$Volume can't be read/);
  editor.volume.fill(0, editor.recordOffset(10), editor.recordOffset(10) + 4);
  const filesystem = await openVolume(editor.volume);
  t.equal((await find(filesystem, 'FILE')).name, 'file', 'without $UpCase');
  editor.volume.fill(0, editor.recordOffset(6), editor.recordOffset(6) + 4);
  await t.rejects((await openVolume(editor.volume)).usage(), DAMAGED);
  editor.volume.fill(0, editor.recordOffset(5), editor.recordOffset(5) + 4);
  await t.rejects(openVolume(editor.volume), DAMAGED);
});

/** A restart page of `$LogFile`. */
function restartPage(lsn: number, client: number, flags: number, magic = 'RSTR'): Buffer {
  const page = Buffer.alloc(4096);
  page.write(magic, 'latin1');
  page.writeUInt32LE(4096, 16);
  page.writeUInt32LE(4096, 20);
  page.writeUInt16LE(48, 24);
  page.writeBigUInt64LE(BigInt(lsn), 48);
  page.writeUInt16LE(client, 48 + 12);
  page.writeUInt16LE(flags, 48 + 14);
  return protect(page, 30);
}

t.test('the log', async (t) => {
  const editor = new NtfsEditor(smallVolume(t));
  let place = 0;
  editor.edit(2, (record) => {
    const data = attributeOf(record, DATA);
    // The first run: lengths of a byte and more, then its cluster.
    const at = data.readUInt16LE(32);
    const header = data.readUInt8(at);
    place = data.readUIntLE(at + 1 + (header & 15), header >> 4) * 4096;
  });
  const stateWith = async (...pages: readonly Buffer[]): Promise<unknown> => {
    for (const [index, page] of pages.entries()) page.copy(editor.volume, place + index * 4096);
    return (await openVolume(editor.volume)).journal;
  };
  const applied = { state: 'ignored', reason: 'the log was not applied' };
  t.same(await stateWith(), { state: 'clean' });
  t.same(await stateWith(restartPage(5, 0, 0), restartPage(4, 0xffff, 0)), applied);
  t.same(await stateWith(restartPage(5, 0, 0), restartPage(6, 0xffff, 0)), { state: 'clean' });
  t.same(await stateWith(restartPage(7, 0, 2), restartPage(6, 0, 0)), { state: 'clean' });
  t.same(await stateWith(restartPage(7, 0, 2), restartPage(9, 0, 0, 'CHKD')), applied);
  t.same(await stateWith(Buffer.alloc(4096, 1), restartPage(9, 0, 0)), applied);
  const none = { state: 'ignored', reason: 'the log has no start that makes sense' };
  const odd = restartPage(7, 0, 2);
  odd.writeUInt32LE(5000, 16);
  t.same(await stateWith(odd, Buffer.alloc(4096)), none);
  const outside = restartPage(7, 0, 2);
  outside.writeUInt16LE(4095, 24);
  t.same(await stateWith(outside, Buffer.alloc(4096)), none);
  for (const offset of [editor.recordOffset(2), editor.mirrorOffset(2)]) editor.volume.fill(0, offset, offset + 4);
  t.match((await openVolume(editor.volume)).journal, { state: 'ignored', reason: /\$LogFile can't be read/ });
});

t.test('contents that are not there to be read', async (t) => {
  const editor = new NtfsEditor(smallVolume(t));
  editor.edit(editor.find('secret'), (record) => {
    const data = attributeOf(record, DATA);
    data.writeUInt16LE(0x4000, 12);
  });
  const filesystem = await openVolume(editor.volume);
  for (const name of ['secret', 'deduplicated', 'cloud', 'archive']) {
    await t.rejects(content(filesystem, name), UNREADABLE, name);
    t.match(await filesystem.stat((await find(filesystem, name)).id), { type: 'file', sizeBytes: name.length * 2000 });
  }
  for (const name of ['deduplicated', 'cloud', 'archive']) {
    // Two that have nothing but holes would be taken for the same.
    const extents = await allExtents(filesystem, (await find(filesystem, name)).id);
    t.same(extents, [{ kind: 'inline', offset: 0, length: name.length * 2000 }]);
  }
  t.equal(await content(filesystem, 'other'), 'other'.repeat(2000), 'a placeholder with its content');
  t.equal(await content(filesystem, 'empty'), '');
  await t.rejects(async () => filesystem.open((await find(filesystem, 'directory')).id), DAMAGED);
  await t.rejects(filesystem.lookup((await find(filesystem, 'file')).id, 'x'), DAMAGED);
  for (const name of ['', 'x'.repeat(300), '$MFT', '.', 'nothing']) {
    t.equal(await filesystem.lookup(filesystem.root, name), undefined);
  }
});

t.test('files that are damaged', async (t) => {
  const damage = async (change: (record: Buffer) => void): Promise<Promise<string>> => {
    const editor = new NtfsEditor(smallVolume(t));
    editor.edit(editor.find('file'), change);
    return content(await openVolume(editor.volume), 'file');
  };
  const runsOf = (record: Buffer): Buffer => {
    const data = attributeOf(record, DATA);
    return data.subarray(data.readUInt16LE(32));
  };
  const changes: readonly ((record: Buffer) => void)[] = [
    (record) => record.writeUInt16LE(0, 22),
    (record) => record.writeUInt16LE(99, 16),
    (record) => record.writeUInt32LE(5000, 24),
    (record) => record.writeUInt32LE(20, attributeOf(record, DATA).byteOffset - record.byteOffset + 4),
    (record) => attributeOf(record, DATA).writeUInt16LE(5000, 32),
    (record) => attributeOf(record, DATA).writeUInt16LE(1, 12),
    (record) => attributeOf(record, DATA).writeBigUInt64LE(2n ** 60n, 48),
    (record) => attributeOf(record, DATA).writeBigUInt64LE(5n, 16),
    (record) => runsOf(record).writeUInt8(0x0f, 0),
    (record) => runsOf(record).writeUInt8(0x88, 0),
    (record) => runsOf(record).fill(0, 0, 1),
    (record) => runsOf(record).fill(0x7f, 1, 4),
    (record) => attributeOf(record, 0x10).writeUInt32LE(20, 16),
  ];
  for (const [index, change] of changes.entries()) await t.rejects(damage(change), DAMAGED, `change ${index}`);
});
